/* What a guest sees of events in words and queues of the FIFO ABI (Xen common/event_fifo.c). */
#include "fifo_queues.h"

static void check_delivery(void)
{
    evtchn_port_t port = bind_ipi(0);

    set_masked(port);
    evtchn_send(port);
    check_true("fifo.masked_event_is_pending_and_in_no_queue",
               (*event_word(port) & (WORD_PENDING | WORD_LINKED)) == WORD_PENDING);
    check("fifo.unmask", evtchn_unmask(port), 0);
    check_true("fifo.unmask_clears_mask", !(*event_word(port) & WORD_MASKED));
    check_true("fifo.unmask_puts_it_into_queue",
               (*event_word(port) & WORD_LINKED)
                   && control_block(0)->ready == 1u << EVTCHN_FIFO_PRIORITY_DEFAULT
                   && control_block(0)->head[EVTCHN_FIFO_PRIORITY_DEFAULT] == port);
    check_true("fifo.upcall_is_pending", vcpu_info->evtchn_upcall_pending);
    wait_for_events(1);
    check("fifo.event_arrives", (int64_t)taken(), port);
    evtchn_send(port);
    evtchn_send(port);
    run_for(10);
    check("fifo.two_sends_coalesce", (int64_t)taken(), port);
    check_true("fifo.bitmaps_are_not_used", !test_bit(port, shared_info->evtchn_pending));
    evtchn_send(port);
    set_masked(port);
    run_for(10);
    check("fifo.masked_while_queued_is_not_taken", (int64_t)taken(), 0);
    evtchn_unmask(port);
    wait_for_events(1);
    check("fifo.it_is_taken_when_unmasked", (int64_t)taken(), port);
    evtchn_close(port);
    check("fifo.unmask_of_closed", evtchn_unmask(port), 0);
    check("fifo.unmask_far_port_is_einval", evtchn_unmask(0xfffffff0), -XEN_EINVAL);
}

static uint64_t sequence(evtchn_port_t first, evtchn_port_t second, evtchn_port_t third)
{
    return (first * 1000ull + second) * 1000 + third;
}

static void send_all(evtchn_port_t first, evtchn_port_t second, evtchn_port_t third)
{
    evtchn_send(first);
    evtchn_send(second);
    evtchn_send(third);
}

static void check_order(void)
{
    evtchn_port_t a = bind_ipi(0), b = bind_ipi(0), c = bind_ipi(0), again;

    clear_masked(a);
    clear_masked(b);
    clear_masked(c);
    send_all(c, a, b);
    wait_for_events(3);
    check("fifo.one_queue_is_in_order", (int64_t)taken(), (int64_t)sequence(c, a, b));
    check("fifo.set_priority", set_priority(b, EVTCHN_FIFO_PRIORITY_MAX), 0);
    check("fifo.set_lowest_priority", set_priority(c, EVTCHN_FIFO_PRIORITY_MIN), 0);
    check("fifo.set_bad_priority_is_einval", set_priority(a, EVTCHN_FIFO_MAX_QUEUES), -XEN_EINVAL);
    check("fifo.set_far_priority_is_einval", set_priority(a, ~0u), -XEN_EINVAL);
    check("fifo.set_priority_of_far_port_is_einval", set_priority(0xfffffff0, 3), -XEN_EINVAL);
    send_all(c, a, b);
    wait_for_events(3);
    check("fifo.queues_are_in_order_of_priority", (int64_t)taken(), (int64_t)sequence(b, a, c));
    evtchn_send(a);
    set_priority(a, 3);
    check("fifo.queued_event_keeps_its_queue", control_block(0)->ready, 1u << EVTCHN_FIFO_PRIORITY_DEFAULT);
    wait_for_events(1);
    taken();
    evtchn_send(a);
    check("fifo.next_event_is_in_new_queue", control_block(0)->ready, 1u << 3);
    check("fifo.close_of_queued", evtchn_close(a), 0);
    again = bind_ipi(0);
    check_true("fifo.closed_port_in_a_queue_is_not_given_again", again != a);
    evtchn_close(again);
    run_for(10);
    check("fifo.event_of_closed_is_not_taken", (int64_t)taken(), 0);
    again = bind_ipi(0);
    check("fifo.closed_port_is_given_again_afterwards", again, a);
    evtchn_send(again);
    check("fifo.priority_is_7_again", control_block(0)->ready, 1u << EVTCHN_FIFO_PRIORITY_DEFAULT);
    wait_for_events(1);
    taken();
    evtchn_close(again);
    evtchn_close(b);
    evtchn_close(c);
}

static void check_other_vcpu(void)
{
    evtchn_port_t far, near, ipi = bind_ipi(1);

    clear_masked(ipi);
    evtchn_send(ipi);
    check_true("fifo.without_control_block_it_just_stays_pending",
               (*event_word(ipi) & (WORD_PENDING | WORD_LINKED)) == WORD_PENDING);
    check("fifo.init_control_of_other_vcpu", init_control(1, control_gfn(), CONTROL_OFFSET(1)), 17);
    evtchn_send(ipi);
    check("fifo.event_is_in_queue_of_other_vcpu", control_block(1)->head[EVTCHN_FIFO_PRIORITY_DEFAULT], ipi);
    check_true("fifo.upcall_is_pending_there", shared_info->vcpu_info[1].evtchn_upcall_pending);
    evtchn_close(ipi);

    alloc_unbound(DOMID_SELF, DOMID_SELF, &far);
    clear_masked(far);
    bind_interdomain(DOMID_SELF, far, &near);
    evtchn_unmask(near);
    wait_for_events(1);
    check("fifo.bind_interdomain_signals_local_port", (int64_t)taken(), near);
    evtchn_send(near);
    wait_for_events(1);
    check("fifo.loopback_arrives", (int64_t)taken(), far);
    check("fifo.bind_vcpu", bind_vcpu(far, 1), 0);
    set_priority(far, 2);
    evtchn_send(near);
    check("fifo.moved_event_is_in_queue_of_other_vcpu", control_block(1)->head[2], far);
    run_for(10);
    check("fifo.moved_event_is_not_taken_here", (int64_t)taken(), 0);
    evtchn_close(near);
    evtchn_close(far);
}

static void check_timer(void)
{
    evtchn_port_t port = bind_virq(VIRQ_TIMER, 0);
    struct vcpu_set_singleshot_timer timer = {.timeout_abs_ns = now() + 5000000};

    clear_masked(port);
    check("fifo.singleshot_timer", vcpu_op(VCPUOP_set_singleshot_timer, 0, &timer), 0);
    wait_for_events(1);
    check("fifo.timer_arrives", (int64_t)taken(), port);
    check_true("fifo.timer_is_not_early", now() >= timer.timeout_abs_ns);
    evtchn_close(port);
}

static long poll(evtchn_port_t port, uint64_t timeout)
{
    struct sched_poll poll = {.nr_ports = 1, .timeout = timeout};

    set_xen_guest_handle(poll.ports, &port);
    return sched_op(SCHEDOP_poll, &poll);
}

/* KVM answers by itself: for a guest with this ABI it does no more than to yield, which looks like a spurious wake-up. */
static void check_poll(void)
{
    evtchn_port_t port = bind_ipi(0);

    set_masked(port);
    evtchn_send(port);
    check("fifo.poll_of_pending_port", poll(port, now() + 20000000), 0);
    __atomic_fetch_and(event_word(port), ~WORD_PENDING, __ATOMIC_SEQ_CST);
    check("fifo.poll_of_quiet_port", poll(port, now() + 20000000), 0);
    evtchn_close(port);
}

void check_fifo_delivery(void)
{
    check_delivery();
    check_order();
    check_other_vcpu();
    check_timer();
    check_poll();
}
