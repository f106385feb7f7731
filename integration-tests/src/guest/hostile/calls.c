/* A role that makes random hypercalls from both vCPUs: right, misaligned, unmapped, across pages, or made to do harm. */
#include "hostile.h"

#include "../ring/secondary.h"
#include "../runtime/cpu.h"
#include "../runtime/memory.h"
#include "../runtime/print.h"

#define NMI_VECTOR 2
#define ARGUMENT_BYTES 256
#define WORDS (ARGUMENT_BYTES / 8)
#define REGISTERS 5
/* Window pages of a vCPU: two with frames in reverse order, and one without. */
#define WINDOW_PAGES 4
#define PRINT_EVERY 1024
/* Cycles for which the first vCPU waits for the second one to end: some seconds. */
#define PATIENCE (1ull << 36)

/* Values at which behaviour changes, but no frame of this program's. */
static const uint64_t edges[] = {
    0,      1,          2,          3,          4,          8,          15,        16,        63,
    64,     127,        128,        255,        1023,       1024,       4095,      4096,      0x7fef,
    0x7ff0, 0xffff,     0x10000,    0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff, 1ull << 32, 1ull << 40,
    1ull << 52, ~0ull >> 1, 1ull << 63, ~4095ull,   ~0ull,
};

#define XEN_ERRNO(name, value) value,
static const long errors[] = {
#include <xen/errno.h>
};

/* What one vCPU uses. */
static struct caller {
    uint64_t random;
    char *window;
    volatile uint64_t made;
    volatile int over;
} callers[2];

static volatile unsigned int printing;

static uint64_t next(struct caller *caller)
{
    caller->random ^= caller->random >> 12;
    caller->random ^= caller->random << 25;
    caller->random ^= caller->random >> 27;
    return caller->random * 0x2545f4914f6cdd1dull;
}

static uint64_t below(struct caller *caller, uint32_t limit)
{
    return (next(caller) >> 32) * limit >> 32;
}

static uint64_t value(struct caller *caller)
{
    switch (below(caller, 4)) {
    case 0:
        return next(caller);
    case 1:
        return below(caller, 16);
    default:
        return edges[below(caller, sizeof(edges) / sizeof(edges[0]))];
    }
}

/* Where an argument is: in a page, across two pages, before a page that is not there, or anywhere. */
static uint64_t address(struct caller *caller)
{
    uint64_t window = (unsigned long)caller->window;

    if (below(caller, 10) == 0)
        return value(caller);
    switch (below(caller, 8)) {
    case 0:
        return window + PAGE - ARGUMENT_BYTES / 2 + below(caller, ARGUMENT_BYTES);
    case 1:
        return window + 2 * PAGE - ARGUMENT_BYTES + below(caller, ARGUMENT_BYTES);
    case 2:
        return window + below(caller, ARGUMENT_BYTES);
    default:
        return window + 8 * below(caller, WORDS / 2);
    }
}

static uint64_t word(struct caller *caller)
{
    switch (below(caller, 4)) {
    case 0:
        return value(caller);
    case 1:
        return (unsigned long)caller->window + 8 * below(caller, WORDS);
    case 2:
        return value(caller) << 32 | (value(caller) & 0xffffffff);
    default:
        return below(caller, 3) == 0 ? DOMID_SELF : below(caller, 4);
    }
}

static void fill(struct caller *caller)
{
    uint64_t words[WORDS];

    for (unsigned int i = 0; i < WORDS; i++)
        words[i] = word(caller);
    memcpy(caller->window, words, ARGUMENT_BYTES);
    memcpy(caller->window + PAGE - ARGUMENT_BYTES / 2, words, ARGUMENT_BYTES);
    memcpy(caller->window + 2 * PAGE - ARGUMENT_BYTES, words, ARGUMENT_BYTES);
}

/* Calls that end this guest or its vCPUs, or wait for ever: others play those. */
static int is_left_out(uint32_t number, uint32_t command)
{
    if (number == __HYPERVISOR_sched_op)
        return command == SCHEDOP_block || command == SCHEDOP_shutdown || command == SCHEDOP_poll ||
               command == SCHEDOP_watchdog;
    return number == __HYPERVISOR_vcpu_op && command == VCPUOP_down;
}

static int is_answer(long result)
{
    if (result >= 0)
        return 1;
    for (unsigned int i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
        if (result == -errors[i])
            return 1;
    return 0;
}

static void complain(uint64_t number, uint64_t command, long result)
{
    while (__atomic_exchange_n(&printing, 1, __ATOMIC_ACQUIRE))
        cpu_relax();
    print("FAIL call ");
    print_unsigned(number);
    print(" ");
    print_unsigned(command);
    print(": ");
    print_signed(result);
    print("\n");
    __atomic_store_n(&printing, 0, __ATOMIC_RELEASE);
}

static void make_call(struct caller *caller)
{
    uint64_t number = below(caller, 20) == 0 ? value(caller) : below(caller, 50);
    uint64_t registers[REGISTERS];
    long result;

    fill(caller);
    registers[0] = below(caller, 20) == 0 ? value(caller) : below(caller, 34);
    for (unsigned int i = 1; i < REGISTERS; i++)
        registers[i] = below(caller, 2) ? address(caller) : value(caller);
    if (is_left_out((uint32_t)number, (uint32_t)registers[0]))
        registers[0] = 0;
    if (number == __HYPERVISOR_grant_table_op && below(caller, 256) != 0)
        registers[2] = below(caller, 64);
    if (number == __HYPERVISOR_multicall) {
        registers[0] = address(caller);
        registers[1] = below(caller, 4);
    }
    result = hypercall5(number, registers[0], registers[1], registers[2], registers[3], registers[4]);
    /* mmuext_op returns a parameter if it has no list. */
    if (!is_answer(result) && number != __HYPERVISOR_mmuext_op)
        complain(number, registers[0], result);
    caller->made++;
}

static void print_made(void)
{
    while (__atomic_exchange_n(&printing, 1, __ATOMIC_ACQUIRE))
        cpu_relax();
    print("calls ");
    print_unsigned(callers[0].made + callers[1].made);
    print("\n");
    __atomic_store_n(&printing, 0, __ATOMIC_RELEASE);
}

static void play(struct caller *caller)
{
    uint32_t calls = option("calls");

    while (caller->made < calls) {
        make_call(caller);
        if (caller == &callers[0] && caller->made % PRINT_EVERY == 0)
            print_made();
    }
    caller->over = 1;
}

static void second(void)
{
    play(&callers[1]);
    for (;;)
        asm volatile("cli; hlt");
}

static void ignore(void)
{
}

void any_call(void)
{
    struct sched_shutdown shutdown = {.reason = SHUTDOWN_poweroff};
    uint64_t start;

    /* Whatever is sent to it, it takes no other interrupt. */
    interrupts_off();
    handle_vector(NMI_VECTOR, ignore);
    for (unsigned int i = 0; i < 2; i++) {
        void *last = alloc_page(), *first = alloc_page();

        callers[i].random = (option("seed") + 1) * 0x9e3779b97f4a7c15ull + i;
        callers[i].window = map_window(i * WINDOW_PAGES, first, WINDOW_WRITABLE);
        map_window(i * WINDOW_PAGES + 1, last, WINDOW_WRITABLE);
        map_window(i * WINDOW_PAGES + 2, 0, WINDOW_ABSENT);
    }
    apic_init();
    start_secondary(second);
    play(&callers[0]);
    start = rdtsc();
    while (!callers[1].over && rdtsc() - start < PATIENCE)
        cpu_relax();
    print_made();
    print("over\n");
    /* A reason that one of the calls has announced comes first, once. A guest that is reset softly goes on here. */
    sched_op(SCHEDOP_shutdown, &shutdown);
    guest_shutdown(SHUTDOWN_poweroff);
}
