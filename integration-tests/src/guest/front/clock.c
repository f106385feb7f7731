#include "front.h"

#define MILLISECOND 1000000ull

static volatile struct shared_info *shared;

void begin_clock(void)
{
    shared = alloc_page();
    if (map_shared_info((unsigned long)shared / PAGE) != 0)
        print("FAIL no shared_info\n");
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

void sleep_for(unsigned int count)
{
    struct sched_poll poll = {.timeout = nanoseconds() + count * MILLISECOND};

    forget_events();
    sched_op(SCHEDOP_poll, &poll);
}

/* The back end may need the same CPU. */
void pause_for_an_answer(void)
{
    for (unsigned int i = 0; i < 100; i++)
        cpu_relax();
    sleep_for(1);
}
