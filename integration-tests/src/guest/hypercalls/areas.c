/* vcpu_op: areas that are registered by physical address, and what becomes of those by linear address meanwhile. */
#include "check.h"

/* vcpu.h of Xen 4.18 and later. */
#ifndef VCPUOP_register_runstate_phys_area
#define VCPUOP_register_runstate_phys_area 14
#define VCPUOP_register_vcpu_time_phys_area 15
#endif

#define NO_AREA (~0ull)
#define MILLISECOND 1000000ull
#define UNTOUCHED 0x5a5a5a5a

static long register_area(unsigned long command, uint32_t vcpu, uint64_t address)
{
    return vcpu_op(command, vcpu, &address);
}

static long register_linear(unsigned long command, const volatile void *area)
{
    return register_area(command, 0, (unsigned long)area);
}

static void check_time(void)
{
    volatile struct vcpu_time_info *area = (void *)((char *)alloc_page() + 64);
    volatile struct vcpu_time_info *linear = alloc_page();

    check("areas.time", register_area(VCPUOP_register_vcpu_time_phys_area, 0, (unsigned long)area), 0);
    check_true("areas.time_is_filled", area->tsc_to_system_mul != 0 && area->version != 0 && !(area->version & 1));
    check_true("areas.time_runs_with_vcpu_info",
               pvclock_nanoseconds(area) + MILLISECOND > now() && pvclock_nanoseconds(area) < now() + MILLISECOND);
    memset((void *)linear, 0x5a, sizeof(*linear));
    check("areas.time_by_linear_address", register_linear(VCPUOP_register_vcpu_time_memory_area, linear), 0);
    run_for(2);
    check("areas.time_by_linear_address_rests", linear->version, UNTOUCHED);
    check("areas.time_of_another_vcpu",
          register_area(VCPUOP_register_vcpu_time_phys_area, 1, (unsigned long)area + 64), 0);
    check("areas.time_of_another_vcpu_ends", register_area(VCPUOP_register_vcpu_time_phys_area, 1, NO_AREA), 0);
    register_linear(VCPUOP_register_vcpu_time_memory_area, 0);
    check("areas.time_ends", register_area(VCPUOP_register_vcpu_time_phys_area, 0, NO_AREA), 0);
    memset((void *)area, 0x5a, sizeof(*area));
    run_for(2);
    check("areas.time_is_left_alone_then", area->version, UNTOUCHED);
}

/* KVM writes the area of a vCPU when it enters it again and when it runs after a wait; on the peer that took up to
   some 10 ms. Ends with the first write to `area`, or after 200 ms. */
static void run_until_written(volatile struct vcpu_runstate_info *area)
{
    uint64_t end = now() + 200 * MILLISECOND;
    int before = area->state;

    while (area->state == before && now() < end)
        xen_version(XENVER_version, 0);
}

static void check_runstate(void)
{
    char *page = alloc_page();
    volatile struct vcpu_runstate_info *area = (void *)(page + PAGE - sizeof(*area));
    volatile struct vcpu_runstate_info *linear = alloc_page();

    area->state = 99;
    check("areas.runstate", register_area(VCPUOP_register_runstate_phys_area, 0, (unsigned long)area), 0);
    check("areas.runstate_is_running", area->state, RUNSTATE_running);
    check_true("areas.runstate_times_add_up", runstate_adds_up(area));
    check("areas.runstate_by_linear_address", register_linear(VCPUOP_register_runstate_memory_area, linear), 0);
    linear->state = 99;
    area->state = 98;
    run_until_written(linear);
    check("areas.runstate_by_linear_address_rests", linear->state, 99);
    check("areas.runstate_is_kept_up_to_date", area->state, RUNSTATE_running);
    register_linear(VCPUOP_register_runstate_memory_area, 0);
    check("areas.runstate_ends", register_area(VCPUOP_register_runstate_phys_area, 0, NO_AREA), 0);
    area->state = 99;
    run_until_written(area);
    check("areas.runstate_is_left_alone_then", area->state, 99);
}

void check_areas(void)
{
    check_time();
    check_runstate();
}
