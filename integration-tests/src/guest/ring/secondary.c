#include "secondary.h"

#include "../runtime/cpu.h"
#include "../runtime/memory.h"

#define TRAMPOLINE 0x8000ul
#define MSR_X2APIC_ICR 0x830
#define ICR_INIT 0x4500
#define ICR_STARTUP 0x4600
#define DESTINATION_VCPU_1 (1ull << 32)

struct table_register {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

extern char secondary_stack[], secondary_stack_top[];
extern char trampoline[], trampoline_gdt[], trampoline_end[];

/* Called by the trampoline. */
void secondary_main(void);

static struct table_register idt;
static void (*entry)(void);

/* Asking the local APIC would leave the guest. */
unsigned int this_vcpu(void)
{
    const char *here = __builtin_frame_address(0);

    return here >= secondary_stack && here < secondary_stack_top;
}

void secondary_main(void)
{
    asm volatile("lidt %0" : : "m"(idt));
    apic_init();
    entry();
}

void start_secondary(void (*main)(void))
{
    char *copy = (char *)TRAMPOLINE;
    struct table_register gdt;

    entry = main;
    asm volatile("sidt %0" : "=m"(idt));
    asm volatile("sgdt %0" : "=m"(gdt));
    memcpy(copy, trampoline, (size_t)(trampoline_end - trampoline));
    memcpy(copy + (trampoline_gdt - trampoline), &gdt, 6);
    wrmsr(MSR_X2APIC_ICR, DESTINATION_VCPU_1 | ICR_INIT);
    wrmsr(MSR_X2APIC_ICR, DESTINATION_VCPU_1 | ICR_STARTUP | TRAMPOLINE >> 12);
}
