#include "cpu.h"

#include "print.h"
#include "selectors.h"
#include "xen.h"

#define MSR_APIC_BASE 0x1b
#define APIC_BASE_X2APIC (1u << 10)
#define APIC_BASE_ENABLE (1u << 11)
#define MSR_X2APIC_EOI 0x80b
#define MSR_X2APIC_SVR 0x80f
#define APIC_EOI 0xb0
#define APIC_SVR 0xf0
#define APIC_SVR_ENABLE 0x100
#define SPURIOUS_VECTOR 0xff
#define PIC_MASTER_MASK 0x21
#define PIC_SLAVE_MASK 0xa1

#define GATE_INTERRUPT 0x8e
#define GATE_USER 0xee

struct gate {
    uint16_t offset_low;
    uint16_t selector;
    uint8_t ist;
    uint8_t type;
    uint16_t offset_high;
#ifdef __x86_64__
    uint32_t offset_top;
    uint32_t reserved;
#endif
} __attribute__((packed));

struct table_register {
    uint16_t limit;
    unsigned long base;
} __attribute__((packed));

extern char vector_stubs[], user_return[], trap_stack_top[];
extern char store_here[], store_end[], wrmsr_here[], wrmsr_end[], rdmsr_here[], rdmsr_end[];
extern uint64_t gdt[];

static struct gate idt[256];
static uint32_t tss[26];
static interrupt_handler handlers[256];
static int x2apic;
static volatile unsigned int refused;

/* The instruction (entry.S). */
void store(volatile uint32_t *address, uint32_t value);
void wrmsr_or_trap(uint32_t msr, uint32_t low, uint32_t high);
uint32_t rdmsr_or_trap(uint32_t msr);

static void set_gate(unsigned int vector, void *target, uint8_t type)
{
    unsigned long address = (unsigned long)target;
    struct gate *gate = &idt[vector];

    gate->offset_low = (uint16_t)address;
    gate->offset_high = (uint16_t)(address >> 16);
    gate->selector = SEL_KERNEL_CS;
    gate->type = type;
}

static void load_tss(void)
{
    uint64_t base = (unsigned long)tss;

    /* The stack for the way back from CPL 3: ESP0 and SS0, or RSP0. Both start at offset 4. */
    tss[1] = (uint32_t)(unsigned long)trap_stack_top;
#ifndef __x86_64__
    tss[2] = SEL_KERNEL_DS;
#endif
    gdt[SEL_TSS / 8] = (sizeof(tss) - 1) | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24 & 0xff) << 56;
    asm volatile("ltr %w0" : : "r"(SEL_TSS));
}

void cpu_init(void)
{
    struct table_register idtr = {sizeof(idt) - 1, (unsigned long)idt};

    for (unsigned int vector = 0; vector < 256; vector++)
        set_gate(vector, vector_stubs + 16 * vector, GATE_INTERRUPT);
    set_gate(VECTOR_USER_RETURN, user_return, GATE_USER);
    asm volatile("lidt %0" : : "m"(idtr));
    /* A host with firmware leaves the legacy timer interrupt on. */
    outb(PIC_MASTER_MASK, 0xff);
    outb(PIC_SLAVE_MASK, 0xff);
    load_tss();
}

void handle_vector(uint8_t vector, interrupt_handler handler)
{
    handlers[vector] = handler;
}

/* Instructions that may be refused, and where to go on then. */
static const struct {
    const char *here, *end;
} attempts[] = {{store_here, store_end}, {wrmsr_here, wrmsr_end}, {rdmsr_here, rdmsr_end}};

/* Called by the entry stubs. */
void vector_arrived(unsigned long vector, unsigned long error, unsigned long *ip)
{
    unsigned long address;

    for (unsigned int i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++)
        if (*ip == (unsigned long)attempts[i].here) {
            refused = (unsigned int)vector;
            *ip = (unsigned long)attempts[i].end;
            return;
        }
    if (handlers[vector]) {
        handlers[vector]();
        return;
    }
    if (vector == SPURIOUS_VECTOR)
        return;
    asm volatile("mov %%cr2, %0" : "=r"(address));
    print("FAIL unexpected vector ");
    print_hex(vector);
    print(": error ");
    print_hex(error);
    print(" ip ");
    print_hex(*ip);
    print(" cr2 ");
    print_hex(address);
    print("\n");
    guest_shutdown(SHUTDOWN_crash);
}

unsigned int try_store(volatile uint32_t *address, uint32_t value)
{
    refused = 0;
    store(address, value);
    return refused;
}

unsigned int try_wrmsr(uint32_t msr, uint64_t value)
{
    refused = 0;
    wrmsr_or_trap(msr, (uint32_t)value, (uint32_t)(value >> 32));
    return refused;
}

unsigned int try_rdmsr(uint32_t msr, uint32_t *low)
{
    refused = 0;
    *low = rdmsr_or_trap(msr);
    return refused;
}

static void apic_write(unsigned int reg, uint32_t value)
{
    unsigned long base = (unsigned long)(rdmsr(MSR_APIC_BASE) & 0xfffff000);

    *(volatile uint32_t *)(base + reg) = value;
}

void apic_init(void)
{
    uint32_t out[4];

    cpuid(1, 0, out);
    x2apic = out[2] >> 21 & 1;
    wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_ENABLE | (x2apic ? APIC_BASE_X2APIC : 0));
    if (x2apic)
        wrmsr(MSR_X2APIC_SVR, APIC_SVR_ENABLE | SPURIOUS_VECTOR);
    else
        apic_write(APIC_SVR, APIC_SVR_ENABLE | SPURIOUS_VECTOR);
}

void apic_eoi(void)
{
    if (x2apic)
        wrmsr(MSR_X2APIC_EOI, 0);
    else
        apic_write(APIC_EOI, 0);
}
