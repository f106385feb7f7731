/* vcpu_op: registration of the per-vCPU areas, timers; set_timer_op. */
#include "check.h"

#define MILLISECOND 1000000ull
#define UNKNOWN_VCPU 77

static evtchn_port_t timer_port;

static long register_vcpu_info(uint32_t vcpu, unsigned long gfn, uint32_t offset)
{
    struct vcpu_register_vcpu_info info = {.mfn = gfn, .offset = offset};

    return vcpu_op(VCPUOP_register_vcpu_info, vcpu, &info);
}

/* A masked event that is pending when the area moves must be found through the new one. */
static void check_vcpu_info(void)
{
    char *page = alloc_page();
    unsigned long gfn = (unsigned long)page / PAGE;
    evtchn_port_t port = bind_ipi(0);
    volatile struct vcpu_info *moved = (void *)(page + 128);

    check("vcpu_info.over_page_end_is_enxio", register_vcpu_info(0, gfn, PAGE - 32), -XEN_ENXIO);
    /* To an unsigned long of the domain, whose width is latched here. */
    check("vcpu_info.misaligned_is_enxio", register_vcpu_info(0, gfn, sizeof(xen_ulong_t) / 2), -XEN_ENXIO);
    check("vcpu_info.beyond_page_is_einval", register_vcpu_info(0, gfn, PAGE), -XEN_EINVAL);
    check("vcpu_info.absent_frame_is_einval", register_vcpu_info(0, NOTHING_GPA / PAGE, 0), -XEN_EINVAL);
    check("vcpu_info.unknown_vcpu_is_enoent", register_vcpu_info(UNKNOWN_VCPU, gfn, 0), -XEN_ENOENT);
    check("vcpu_info.bad_pointer_is_efault",
          vcpu_op(VCPUOP_register_vcpu_info, 0, map_window(8, 0, WINDOW_ABSENT)), -XEN_EFAULT);

    port_upcalls[port] = 0;
    test_and_set_bit(port, shared_info->evtchn_mask);
    evtchn_send(port);
    test_and_clear_bit(port, shared_info->evtchn_mask);
    check("vcpu_info.register", register_vcpu_info(0, gfn, 128), 0);
    vcpu_info = moved;
    check_true("vcpu_info.upcall_pending_after_move", moved->evtchn_upcall_pending);
    check_true("vcpu_info.every_selector_bit_after_move", moved->evtchn_pending_sel == ~(xen_ulong_t)0);
    check_true("vcpu_info.time_after_move", moved->time.tsc_to_system_mul != 0);
    check_true("vcpu_info.pending_event_arrives_after_move", wait_for_upcalls(port, 1, 1000));
    test_and_clear_bit(port, shared_info->evtchn_pending);
    port_upcalls[port] = 0;
    evtchn_send(port);
    check_true("vcpu_info.later_event_arrives", wait_for_upcalls(port, 1, 1000));
    /* From 4.18 on, before it looks at the place. */
    check("vcpu_info.second_registration_is_ebusy", register_vcpu_info(0, gfn, 128), -XEN_EBUSY);
    check("vcpu_info.second_registration_at_the_page_end_is_ebusy",
          register_vcpu_info(0, gfn, PAGE - 32), -XEN_EBUSY);
    check("vcpu_info.register_for_vcpu_that_is_down", register_vcpu_info(1, gfn, 512), 0);
    evtchn_close(port);
}

static void check_time_area(void)
{
    char *frame = alloc_page();
    struct vcpu_time_info *area = map_window(16, frame, WINDOW_WRITABLE);
    struct vcpu_register_time_memory_area op = {.addr.p = 0};

    set_xen_guest_handle(op.addr.h, area);
    check("time_area.register_by_virtual_address", vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &op), 0);
    /* Xen fills it at registration, KVM at the next entry: here both have happened. */
    check_true("time_area.is_filled", area->tsc_to_system_mul != 0 && area->version != 0 && !(area->version & 1));
    check_true("time_area.runs_with_vcpu_info",
               pvclock_nanoseconds(area) + MILLISECOND > now() && pvclock_nanoseconds(area) < now() + MILLISECOND);
    /* Any address will do: what cannot be written is not. */
    set_xen_guest_handle(op.addr.h, map_window(8, 0, WINDOW_ABSENT));
    check("time_area.unmapped_is_taken", vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &op), 0);
    set_xen_guest_handle(op.addr.h, 0);
    check("time_area.null_ends_it", vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &op), 0);
    memset((void *)area, 0x5a, sizeof(*area));
    run_for(2);
    check("time_area.is_left_alone_then", area->version, 0x5a5a5a5a);
    check("time_area.unknown_vcpu_is_enoent",
          vcpu_op(VCPUOP_register_vcpu_time_memory_area, UNKNOWN_VCPU, &op), -XEN_ENOENT);
    check("time_area.bad_pointer_is_efault",
          vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, map_window(8, 0, WINDOW_ABSENT)), -XEN_EFAULT);
}

int runstate_adds_up(const volatile struct vcpu_runstate_info *area)
{
    uint64_t entered, sum;

    do {
        entered = area->state_entry_time;
        sum = area->time[0] + area->time[1] + area->time[2] + area->time[3];
    } while (area->state_entry_time != entered);
    return entered != 0 && sum == entered;
}

static void check_runstate(void)
{
    char *frame = alloc_page();
    volatile struct vcpu_runstate_info *area = map_window(17, frame, WINDOW_WRITABLE);
    struct vcpu_register_runstate_memory_area op = {.addr.p = 0};
    struct vcpu_runstate_info info = {.state = 99};

    set_xen_guest_handle(op.addr.h, (struct vcpu_runstate_info *)area);
    area->state = 99;
    check("runstate.register_by_virtual_address", vcpu_op(VCPUOP_register_runstate_memory_area, 0, &op), 0);
    check("runstate.state_is_running", area->state, RUNSTATE_running);
    check_true("runstate.times_add_up", runstate_adds_up(area));
    set_xen_guest_handle(op.addr.h, map_window(8, 0, WINDOW_ABSENT));
    check("runstate.unmapped_is_taken", vcpu_op(VCPUOP_register_runstate_memory_area, 0, &op), 0);
    set_xen_guest_handle(op.addr.h, 0);
    check("runstate.null_ends_it", vcpu_op(VCPUOP_register_runstate_memory_area, 0, &op), 0);
    area->state = 99;
    run_for(2);
    check("runstate.is_left_alone_then", area->state, 99);
    check("runstate.unknown_vcpu_is_enoent",
          vcpu_op(VCPUOP_register_runstate_memory_area, UNKNOWN_VCPU, &op), -XEN_ENOENT);
    check("runstate.bad_pointer_is_efault",
          vcpu_op(VCPUOP_register_runstate_memory_area, 0, map_window(8, 0, WINDOW_ABSENT)), -XEN_EFAULT);
    check("runstate.get_info", vcpu_op(VCPUOP_get_runstate_info, 0, &info), 0);
    check("runstate.get_info_is_running", info.state, RUNSTATE_running);
}

void check_vcpu_ops(void)
{
    check_vcpu_info();
    check_time_area();
    check_runstate();
    check("vcpu_op.is_up_of_self", vcpu_op(VCPUOP_is_up, 0, 0), 1);
    check("vcpu_op.is_up_of_vcpu_not_started", vcpu_op(VCPUOP_is_up, 1, 0), 0);
    check("vcpu_op.unknown_is_enosys", vcpu_op(99, 0, 0), -XEN_ENOSYS);
    check("vcpu_op.unknown_vcpu_is_enoent", vcpu_op(VCPUOP_is_up, UNKNOWN_VCPU, 0), -XEN_ENOENT);
    check("vcpu_op.unknown_vcpu_is_enoent_in_what_is_unknown", vcpu_op(99, UNKNOWN_VCPU, 0), -XEN_ENOENT);
}

static long set_singleshot(uint32_t vcpu, uint64_t when)
{
    struct vcpu_set_singleshot_timer timer = {.timeout_abs_ns = when};

    return vcpu_op(VCPUOP_set_singleshot_timer, vcpu, &timer);
}

static long set_timer_op(uint64_t when)
{
#ifdef __x86_64__
    return hypercall1(__HYPERVISOR_set_timer_op, when);
#else
    return hypercall5(__HYPERVISOR_set_timer_op, (uint32_t)when, (uint32_t)(when >> 32), 0, 0, 0);
#endif
}

static void check_singleshot(void)
{
    uint64_t expiry = now() + 20 * MILLISECOND;

    port_upcalls[timer_port] = 0;
    check("timer.singleshot", set_singleshot(0, expiry), 0);
    check_true("timer.singleshot_fires", wait_for_upcalls(timer_port, 1, 2000));
    check_true("timer.singleshot_not_early", now() >= expiry);
    run_for(30);
    check("timer.singleshot_fires_once", port_upcalls[timer_port], 1);

    expiry = now() + 30 * MILLISECOND;
    set_singleshot(0, expiry);
    /* Without a first event there would be none to end the halt. */
    while (port_upcalls[timer_port] == 1 && now() < expiry + 2000 * MILLISECOND)
        halt_until_interrupt();
    check("timer.singleshot_wakes_halted_vcpu", port_upcalls[timer_port], 2);

    check("timer.singleshot_in_the_past", set_singleshot(0, 1), 0);
    check_true("timer.singleshot_in_the_past_fires", wait_for_upcalls(timer_port, 3, 1000));
    /* A time like any other; 0 stops the timer in set_timer_op alone. */
    check("timer.singleshot_at_0", set_singleshot(0, 0), 0);
    check_true("timer.singleshot_at_0_fires", wait_for_upcalls(timer_port, 4, 1000));

    set_singleshot(0, now() + 30 * MILLISECOND);
    check("timer.stop_singleshot", vcpu_op(VCPUOP_stop_singleshot_timer, 0, 0), 0);
    run_for(80);
    check("timer.stopped_does_not_fire", port_upcalls[timer_port], 4);
    check("timer.singleshot_of_other_vcpu_is_einval", set_singleshot(1, now() + MILLISECOND), -XEN_EINVAL);
    check("timer.stop_singleshot_of_other_vcpu_is_einval",
          vcpu_op(VCPUOP_stop_singleshot_timer, 1, 0), -XEN_EINVAL);
    check("timer.singleshot_bad_pointer_is_efault",
          vcpu_op(VCPUOP_set_singleshot_timer, 0, map_window(8, 0, WINDOW_ABSENT)), -XEN_EFAULT);
}

static void check_timer_op(void)
{
    uint64_t expiry = now() + 20 * MILLISECOND;

    port_upcalls[timer_port] = 0;
    check("timer.set_timer_op", set_timer_op(expiry), 0);
    check_true("timer.set_timer_op_fires", wait_for_upcalls(timer_port, 1, 2000));
    check_true("timer.set_timer_op_not_early", now() >= expiry);
    set_timer_op(now() + 30 * MILLISECOND);
    check("timer.set_timer_op_0", set_timer_op(0), 0);
    run_for(80);
    check("timer.set_timer_op_0_stops", port_upcalls[timer_port], 1);
}

static void check_periodic(void)
{
    struct vcpu_set_periodic_timer timer = {.period_ns = MILLISECOND / 2};

    check("timer.period_below_1_ms_is_einval", vcpu_op(VCPUOP_set_periodic_timer, 0, &timer), -XEN_EINVAL);
    timer.period_ns = 10 * MILLISECOND;
    port_upcalls[timer_port] = 0;
    check("timer.set_periodic", vcpu_op(VCPUOP_set_periodic_timer, 0, &timer), 0);
    check_true("timer.periodic_fires_again_and_again", wait_for_upcalls(timer_port, 3, 2000));
    check("timer.stop_periodic", vcpu_op(VCPUOP_stop_periodic_timer, 0, 0), 0);
    run_for(20);
    port_upcalls[timer_port] = 0;
    run_for(50);
    check("timer.stopped_periodic_does_not_fire", port_upcalls[timer_port], 0);
    check("timer.stop_periodic_when_stopped", vcpu_op(VCPUOP_stop_periodic_timer, 0, 0), 0);
    check("timer.set_periodic_of_other_vcpu", vcpu_op(VCPUOP_set_periodic_timer, 1, &timer), 0);
    check("timer.stop_periodic_of_other_vcpu", vcpu_op(VCPUOP_stop_periodic_timer, 1, 0), 0);
    check("timer.stop_periodic_unknown_vcpu_is_enoent",
          vcpu_op(VCPUOP_stop_periodic_timer, UNKNOWN_VCPU, 0), -XEN_ENOENT);
}

void check_timers(void)
{
    timer_port = bind_virq(VIRQ_TIMER, 0);
    check_true("timer.bind_virq", timer_port != 0);
    if (timer_port == 0)
        return;
    check_singleshot();
    check_timer_op();
    check_periodic();
    evtchn_close(timer_port);
}

/* Here for the timer that ends a poll. */
/*
 * Blocks with a timer's event to come, and no other. Returns whether the host kept the vCPU that long: on one that does not, what
 * follows is a matter of how fast this guest prints.
 */
static int check_block_until_timer(const char *answers, const char *sleeps)
{
    uint64_t expiry = now() + 30 * MILLISECOND;
    long answer;
    int slept;

    set_singleshot(0, expiry);
    answer = sched_op(SCHEDOP_block, 0);
    slept = answer == 0 && now() >= expiry;
    check(answers, answer, 0);
    check_true(sleeps, slept);
    return slept;
}

static void check_block(evtchn_port_t port)
{
    int slept;

    run_for(1);
    port_upcalls[port] = 0;
    vcpu_info->evtchn_upcall_mask = 1;
    slept = check_block_until_timer("sched.block_with_interrupts_off", "sched.block_with_interrupts_off_until_event");
    check("sched.block_unmasks_upcalls", vcpu_info->evtchn_upcall_mask, 0);
    check("sched.block_with_interrupts_off_takes_no_upcall", port_upcalls[port], 0);
    check("sched.block_with_upcall_pending", sched_op(SCHEDOP_block, 0), 0);
    run_for(1);
    check("sched.upcall_after_block", slept ? port_upcalls[port] : 0, 1);
    interrupts_on();
    slept = check_block_until_timer("sched.block_with_interrupts_on", "sched.block_until_interrupt");
    interrupts_off();
    check("sched.block_ends_with_the_upcall_taken", slept ? port_upcalls[port] : 0, 2);
    vcpu_op(VCPUOP_stop_singleshot_timer, 0, 0);
    vcpu_info->evtchn_upcall_mask = 0;
}

void check_sched_ops(void)
{
    evtchn_port_t port = bind_virq(VIRQ_TIMER, 0);
    struct sched_poll poll = {.nr_ports = 1};
    evtchn_port_t beyond = 0x100000;
    char *absent = map_window(8, 0, WINDOW_ABSENT);

    set_xen_guest_handle(poll.ports, &port);
    check("sched.yield", sched_op(SCHEDOP_yield, 0), 0);
    test_and_set_bit(port, shared_info->evtchn_mask);
    set_singleshot(0, now() + 20 * MILLISECOND);
    check("sched.poll_until_timer", sched_op(SCHEDOP_poll, &poll), 0);
    check_true("sched.poll_returns_with_port_pending", test_bit(port, shared_info->evtchn_pending));
    check("sched.poll_of_pending_port", sched_op(SCHEDOP_poll, &poll), 0);
    test_and_clear_bit(port, shared_info->evtchn_pending);
    test_and_clear_bit(port, shared_info->evtchn_mask);

    set_xen_guest_handle(poll.ports, &beyond);
    check("sched.poll_unknown_port_is_einval", sched_op(SCHEDOP_poll, &poll), -XEN_EINVAL);
    poll.nr_ports = 129;
    check("sched.poll_129_ports_is_einval", sched_op(SCHEDOP_poll, &poll), -XEN_EINVAL);
    check("sched.poll_bad_pointer_is_efault", sched_op(SCHEDOP_poll, absent), -XEN_EFAULT);
    check("sched.shutdown_bad_pointer_is_efault", sched_op(SCHEDOP_shutdown, absent), -XEN_EFAULT);
    check("sched.unknown_is_enosys", sched_op(99, 0), -XEN_ENOSYS);
    check_block(port);
    evtchn_close(port);
}
