#include "front.h"

#include <xen/vcpu.h>

#define MILLISECOND 1000000ull

static volatile struct shared_info *shared;

/* Of the one-shot timer. It is masked: a poll sees it, and no upcall comes. */
static evtchn_port_t timer_port;

/* Without a callback: Xen takes the width of this call for that of shared_info, which has 64 bits until then. */
static void tell_width(void)
{
    struct xen_hvm_param param = {.domid = DOMID_SELF, .index = HVM_PARAM_CALLBACK_IRQ};

    if (hvm_op(HVMOP_set_param, &param) != 0)
        print("FAIL no width of shared_info\n");
}

static volatile uint32_t *other_selector(void)
{
    return (volatile uint32_t *)&shared->vcpu_info[0] + (sizeof(xen_ulong_t) == 4 ? 2 : 1);
}

uint32_t selected_elsewhere(void)
{
    return *other_selector();
}

void begin_clock(void)
{
    struct evtchn_bind_virq bind = {.virq = VIRQ_TIMER};
    unsigned int bits = 8 * sizeof(xen_ulong_t);

    tell_width();
    shared = alloc_page();
    if (map_shared_info((unsigned long)shared / PAGE) != 0)
        print("FAIL no shared_info\n");
    /* Events that came before. */
    *other_selector() = 0;
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
