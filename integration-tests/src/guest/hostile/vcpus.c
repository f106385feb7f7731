/* Roles with a second vCPU. */
#include "hostile.h"

#include "../ring/secondary.h"
#include "../runtime/cpu.h"
#include "../runtime/memory.h"
#include "../runtime/print.h"

#include <xen/io/xs_wire.h>

#define UPCALL_VECTOR 0x40
#define MSR_APIC_BASE 0x1b
#define MSR_X2APIC_ICR 0x830
#define APIC_BASE_X2APIC (1u << 10)
#define APIC_BASE_ENABLE (1u << 11)
#define APIC_ID 0x20
#define APIC_SVR 0xf0
#define APIC_SVR_ENABLE 0x1ff
#define SAME_ID (1u << 24)
#define ICR_INIT 0x4500
#define ICR_STARTUP 0x4600
#define DESTINATION_VCPU_1 (1ull << 32)
#define TRAMPOLINE 0x8000ul
#define HIGH_PORTS 1100

extern char narrowing[], narrowed[], narrowing_end[];

static volatile int second_has_id;

/* By way of "disabled", as the processor has it. */
static void take_id(uint32_t id)
{
    uint64_t base = rdmsr(MSR_APIC_BASE) & ~(uint64_t)(APIC_BASE_ENABLE | APIC_BASE_X2APIC);
    volatile uint32_t *apic = (void *)(unsigned long)(base & 0xfffff000);

    wrmsr(MSR_APIC_BASE, base);
    wrmsr(MSR_APIC_BASE, base | APIC_BASE_ENABLE);
    apic[APIC_SVR / 4] = APIC_SVR_ENABLE;
    apic[APIC_ID / 4] = id;
}

static void second(void)
{
    take_id(SAME_ID);
    second_has_id = 1;
    for (;;)
        asm volatile("cli; hlt");
}

void same_apic_ids(void)
{
    static const char watch[] = "/shared\0token", released[] = "@releaseDomain\0token";

    apic_init();
    start_secondary(second);
    while (!second_has_id)
        cpu_relax();
    for (uint32_t vcpu = 0; vcpu < 2; vcpu++) {
        struct xen_hvm_evtchn_upcall_vector vector = {.vcpu = vcpu, .vector = UPCALL_VECTOR};

        if (hvm_op(HVMOP_set_evtchn_upcall_vector, &vector) != 0)
            print("FAIL no upcall vector\n");
    }
    if (!store_request(XS_WATCH, watch, sizeof(watch)) || !store_request(XS_WATCH, released, sizeof(released)))
        print("FAIL no watch\n");
    report("ready", 1);
    take_id(SAME_ID);
    /* Each event is a new upcall. It does not ask XenStore for anything any more. */
    for (;;)
        sleep_for(50);
}

static void start_narrowing(void)
{
    memcpy((void *)TRAMPOLINE, narrowing, (size_t)(narrowing_end - narrowing));
    wrmsr(MSR_X2APIC_ICR, DESTINATION_VCPU_1 | ICR_INIT);
    wrmsr(MSR_X2APIC_ICR, DESTINATION_VCPU_1 | ICR_STARTUP | TRAMPOLINE >> 12);
    while (!*(volatile char *)(TRAMPOLINE + (unsigned long)(narrowed - narrowing)))
        cpu_relax();
}

void narrow(void)
{
    domid_t remote = (domid_t)await_order("for");
    evtchn_port_t port = 0;
    long result = 0;

    apic_init();
    for (unsigned int i = 0; i < HIGH_PORTS && result == 0; i++)
        result = alloc_port(remote, &port);
    report("port", result ? result : (int64_t)port);
    await_order("go");
    start_narrowing();
    report("narrowed", 1);
}
