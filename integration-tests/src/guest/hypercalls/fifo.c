/* The FIFO ABI: the operations with their errors, and the ways into it and out of it (Xen common/event_fifo.c). */
#include "fifo_queues.h"

#define NOTHING_GFN (NOTHING_GPA / PAGE)
#define BLOCK_SIZE ((uint32_t)sizeof(struct evtchn_fifo_control_block))
#define ARRAY_PAGES (EVTCHN_FIFO_NR_CHANNELS / WORDS_PER_PAGE)

static void check_errors_before(void)
{
    char *absent = map_window(8, 0, WINDOW_ABSENT);
    unsigned long gfn = control_gfn();

    check("fifo.expand_array_before_init_is_eopnotsupp", expand_array(word_page_gfn(0)), -XEN_EOPNOTSUPP);
    check("fifo.init_control_unknown_vcpu_is_enoent", init_control(77, gfn, 0), -XEN_ENOENT);
    check("fifo.init_control_over_page_end_is_einval", init_control(0, gfn, PAGE - BLOCK_SIZE + 8), -XEN_EINVAL);
    check("fifo.init_control_beyond_page_is_einval", init_control(0, gfn, PAGE), -XEN_EINVAL);
    check("fifo.init_control_far_offset_is_einval", init_control(0, gfn, ~7u), -XEN_EINVAL);
    check("fifo.init_control_misaligned_is_einval", init_control(0, gfn, 4), -XEN_EINVAL);
    check("fifo.init_control_absent_frame_is_einval", init_control(0, NOTHING_GFN, 0), -XEN_EINVAL);
    check("fifo.init_control_far_frame_is_einval", init_control(0, ~0ull, 0), -XEN_EINVAL);
    check("fifo.init_control_bad_pointer_is_efault", event_channel_op(EVTCHNOP_init_control, absent), -XEN_EFAULT);
    check("fifo.expand_array_bad_pointer_is_efault", event_channel_op(EVTCHNOP_expand_array, absent), -XEN_EFAULT);
    check("fifo.set_priority_bad_pointer_is_efault", event_channel_op(EVTCHNOP_set_priority, absent), -XEN_EFAULT);
    check("fifo.set_priority_bad_port_is_einval", set_priority(0xfffffff0, 0), -XEN_EINVAL);
    check("fifo.failing_leaves_2_level", set_priority(1, 0), -XEN_ENOSYS);
}

/* What is pending in the bitmaps, masked or not, is pending in the words as soon as there are words. */
static void check_switch(void)
{
    evtchn_port_t masked = bind_ipi(0), unmasked = bind_ipi(0), quiet = bind_ipi(0);

    test_and_set_bit(masked, shared_info->evtchn_mask);
    evtchn_send(masked);
    evtchn_send(unmasked);
    vcpu_info->evtchn_upcall_pending = 0;
    use_fifo();
    check("fifo.init_control_has_17_link_bits", init_control(0, control_gfn(), CONTROL_OFFSET(0)), 17);
    check("fifo.init_control_again_is_einval", init_control(0, control_gfn(), CONTROL_OFFSET(1)), -XEN_EINVAL);
    check("fifo.expand_array_absent_frame_is_einval", expand_array(NOTHING_GFN), -XEN_EINVAL);
    check("fifo.expand_array_far_frame_is_einval", expand_array(~0ull), -XEN_EINVAL);
    check("fifo.send_before_there_are_words", evtchn_send(quiet), 0);
    word_page_gfn(0);
    clear_masked(unmasked);
    check("fifo.expand_array", expand_array(word_page_gfn(0)), 0);
    check_true("fifo.masked_event_is_carried_over",
               (*event_word(masked) & (WORD_PENDING | WORD_LINKED)) == WORD_PENDING);
    check_true("fifo.event_without_word_is_carried_over", *event_word(quiet) & WORD_PENDING);
    wait_for_events(1);
    check("fifo.unmasked_event_is_carried_over", (int64_t)taken(), unmasked);
    evtchn_unmask(masked);
    wait_for_events(1);
    check("fifo.carried_over_event_arrives_when_unmasked", (int64_t)taken(), masked);
    evtchn_close(masked);
    evtchn_close(unmasked);
    check("fifo.close", evtchn_close(quiet), 0);
    check_true("fifo.close_clears_pending", !(*event_word(quiet) & WORD_PENDING));
    check("fifo.set_priority_of_closed_is_eacces", set_priority(quiet, 99), -XEN_EACCES);
    set_masked(quiet);
    check("fifo.unmask_of_closed", evtchn_unmask(quiet), 0);
    check_true("fifo.unmask_of_closed_leaves_mask", *event_word(quiet) & WORD_MASKED);
}

/* Binds ports up to `last`; returns whether all could be bound. */
static int bind_up_to(evtchn_port_t last)
{
    evtchn_port_t port;

    do
        port = bind_ipi(0);
    while (port != 0 && port < last);
    return port == last;
}

static void check_many(void)
{
    /* The third port of the fifth page of words. */
    const evtchn_port_t last = 4 * WORDS_PER_PAGE + 2;

    check_true("fifo.more_ports_than_2_level_has", bind_up_to(last));
    check("fifo.status_of_far_port", status_word(last), EVTCHNSTAT_ipi);
    check("fifo.send_on_port_without_word", evtchn_send(last), 0);
    for (unsigned int page = 1; page < 4; page++)
        expand_array(word_page_gfn(page));
    run_for(10);
    check("fifo.nothing_arrives_without_word", (int64_t)taken(), 0);
    word_page_gfn(4);
    clear_masked(last);
    check("fifo.expand_array_to_fifth_page", expand_array(word_page_gfn(4)), 0);
    wait_for_events(1);
    check("fifo.event_from_before_the_word_arrives", (int64_t)taken(), last);
    evtchn_send(last);
    wait_for_events(1);
    check("fifo.later_event_arrives", (int64_t)taken(), last);
}

static void check_array_limit(void)
{
    unsigned long gfn = (unsigned long)alloc_page() / PAGE;
    unsigned int pages = 5;

    while (pages < 2 * ARRAY_PAGES && expand_array(gfn) == 0)
        pages++;
    check("fifo.event_array_has_128_pages", pages, ARRAY_PAGES);
    check("fifo.expand_array_beyond_is_enospc", expand_array(gfn), -XEN_ENOSPC);
}

static void check_leaving(void)
{
    evtchn_port_t port;

    check("fifo.reset", evtchn_reset(DOMID_SELF), 0);
    take_queued_events = 0;
    port = bind_ipi(0);
    port_upcalls[port] = 0;
    check("fifo.set_priority_after_reset_is_enosys", set_priority(port, 0), -XEN_ENOSYS);
    check("fifo.expand_array_after_reset_is_eopnotsupp", expand_array(word_page_gfn(0)), -XEN_EOPNOTSUPP);
    evtchn_send(port);
    check_true("fifo.bitmaps_are_used_after_reset", test_bit(port, shared_info->evtchn_pending));
    check_true("fifo.event_arrives_as_2_level_after_reset", wait_for_upcalls(port, 1, 1000));
    evtchn_reset(DOMID_SELF);
    use_fifo();
    check("fifo.init_control_after_reset", init_control(0, control_gfn(), CONTROL_OFFSET(0)), 17);
    expand_array(word_page_gfn(0));
    port = bind_ipi(0);
    clear_masked(port);
    evtchn_send(port);
    wait_for_events(1);
    check("fifo.event_arrives_after_switch_back", (int64_t)taken(), port);
    evtchn_reset(DOMID_SELF);
    take_queued_events = 0;
}

/* What a host without FIFO answers, as a Xen from before 4.4. */
static void check_absent(void)
{
    check("no_fifo.init_control_is_enosys", init_control(0, control_gfn(), 0), -XEN_ENOSYS);
    check("no_fifo.expand_array_is_enosys", expand_array(control_gfn()), -XEN_ENOSYS);
    check("no_fifo.set_priority_is_enosys", set_priority(1, 0), -XEN_ENOSYS);
}

/* The command line says abi=fifo where the host has been told to let the guest use it. */
void check_fifo(void)
{
    if (!command_line_word("abi=fifo", 0)) {
        check_absent();
        return;
    }
    check_errors_before();
    check_switch();
    check_fifo_delivery();
    check_many();
    check_array_limit();
    check_leaving();
}
