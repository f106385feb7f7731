/* Bare x86: port I/O, CPUID, MSRs, interrupts, the local APIC. */
#ifndef CPU_H
#define CPU_H

#include <stdint.h>

typedef void (*interrupt_handler)(void);

static inline void outb(uint16_t port, uint8_t value)
{
    asm volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t inb(uint16_t port)
{
    uint8_t value;
    asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    asm volatile("cpuid" : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3]) : "a"(leaf), "c"(subleaf));
}

static inline uint64_t rdmsr(uint32_t msr)
{
    uint32_t low, high;
    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return low | (uint64_t)high << 32;
}

static inline void wrmsr(uint32_t msr, uint64_t value)
{
    asm volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}

static inline uint64_t rdtsc(void)
{
    uint32_t low, high;
    asm volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return low | (uint64_t)high << 32;
}

static inline void interrupts_on(void)
{
    asm volatile("sti" : : : "memory");
}

static inline void interrupts_off(void)
{
    asm volatile("cli" : : : "memory");
}

/* Enables interrupts and halts with no window between the two; returns with interrupts off. */
static inline void halt_until_interrupt(void)
{
    asm volatile("sti; hlt; cli" : : : "memory");
}

static inline void cpu_relax(void)
{
    asm volatile("pause" : : : "memory");
}

/* Loads the IDT and the TSS. Unexpected vectors print their frame and crash the domain. */
void cpu_init(void);

/* Installs a handler that runs with interrupts off. */
void handle_vector(uint8_t vector, interrupt_handler handler);

/* Writes; the vector of the exception if that is refused, else 0. With interrupts off, on one vCPU at a time. */
unsigned int try_store(volatile uint32_t *address, uint32_t value);

/* The same for writing a MSR, and for reading one, of which `low` is the low half. */
unsigned int try_wrmsr(uint32_t msr, uint64_t value);
unsigned int try_rdmsr(uint32_t msr, uint32_t *low);

/* Enables the local APIC, as x2APIC where CPUID offers it. */
void apic_init(void);
void apic_eoi(void);

#endif
