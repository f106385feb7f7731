#include "front.h"

#include <xen/vcpu.h>

#define MILLISECOND 1000000ull

static volatile struct shared_info *shared;

/* Of the one-shot timer. It is masked: a poll sees it, and no upcall comes. */
static evtchn_port_t timer_port;

void begin_clock(void)
{
    struct evtchn_bind_virq bind = {.virq = VIRQ_TIMER};
    unsigned int bits = 8 * sizeof(xen_ulong_t);

    shared = alloc_page();
    if (map_shared_info((unsigned long)shared / PAGE) != 0)
        print("FAIL no shared_info\n");
    if (event_channel_op(EVTCHNOP_bind_virq, &bind) != 0)
        print("FAIL no timer\n");
    timer_port = bind.port;
    shared->evtchn_mask[timer_port / bits] |= (xen_ulong_t)1 << timer_port % bits;
}

static uint64_t nanoseconds(void)
{
    return pvclock_nanoseconds(&shared->vcpu_info[0].time);
}

/* Without a 64-bit division, which a 32-bit guest has not: 2^20 ns are a millisecond here. */
uint64_t milliseconds(void)
{
    return nanoseconds() >> 20;
}

static void forget_events(void)
{
    for (unsigned int i = 0; i < sizeof(shared->evtchn_pending) / sizeof(xen_ulong_t); i++)
        shared->evtchn_pending[i] = 0;
    shared->vcpu_info[0].evtchn_pending_sel = 0;
    shared->vcpu_info[0].evtchn_upcall_pending = 0;
}

/* Not by the poll's own timeout: KVM takes that for a time from now on. Every unmasked event ends it too. */
void sleep_for(unsigned int count)
{
    struct vcpu_set_singleshot_timer timer = {.timeout_abs_ns = nanoseconds() + count * MILLISECOND};
    struct sched_poll poll = {.nr_ports = 1};

    set_xen_guest_handle(poll.ports, &timer_port);
    forget_events();
    vcpu_op(VCPUOP_set_singleshot_timer, 0, &timer);
    sched_op(SCHEDOP_poll, &poll);
}

/* The back end may need the same CPU. */
void pause_for_an_answer(void)
{
    for (unsigned int i = 0; i < 100; i++)
        cpu_relax();
    sleep_for(1);
}
