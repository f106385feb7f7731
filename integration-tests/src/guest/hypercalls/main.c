/*
 * Test guest: checks the hypercalls that a Linux guest needs, one line per check, results and side effects.
 * Wants 2 vCPUs (the second is never started) and less than 1 GiB of RAM.
 *
 * Command line: only=GROUP runs one group (and what it builds on), skip=CHECK leaves a check out, triple-fault does
 * nothing but that, order=freebsd makes the calls of FreeBSD in its order and no others. The group "rows" runs only if
 * it is named; spare leaves out what a host does not survive.
 */
#include "check.h"

struct group {
    const char *name;
    void (*run)(void);
    /* Later groups build on it. */
    int always;
    /* It runs only if it is named. */
    int named;
};

static void check_all_arguments(void)
{
#ifdef __x86_64__
    check_arguments("4level");
#else
    set_paging_mode(PAGING_NONE);
    check_arguments("none");
    set_paging_mode(PAGING_32BIT);
    check_arguments("32bit");
    set_paging_mode(PAGING_PAE);
    check_arguments("pae");
#endif
}

static const struct group groups[] = {
    {"detection", check_detection, 0, 0},
    {"arguments", check_all_arguments, 1, 0},
    {"version", check_version, 0, 0},
    {"shared_info", check_shared_info, 1, 0},
    {"params", check_hvm_params, 0, 0},
    {"upcalls", check_upcalls, 1, 0},
    {"callback", check_line_callbacks, 0, 0},
    {"vcpu_vector", check_vcpu_vectors, 1, 0},
    {"hypercall_page", check_hypercall_page, 0, 0},
    {"evtchn", check_event_channels, 0, 0},
    {"bindings", check_bindings, 0, 0},
    {"physdev", check_physdev, 0, 0},
    {"vcpu", check_vcpu_ops, 0, 0},
    {"areas", check_areas, 0, 0},
    {"timers", check_timers, 0, 0},
    {"sched", check_sched_ops, 0, 0},
    {"grants", check_grants, 0, 0},
    {"grant_limits", check_grant_limits, 0, 0},
    {"memory", check_memory, 0, 0},
    {"xenstore", check_xenstore, 0, 0},
    {"console", check_console, 0, 0},
    {"refusals", check_refusals, 0, 0},
    {"reset", check_reset, 0, 0},
    {"fifo", check_fifo, 0, 0},
    {"limits", check_limits, 0, 0},
    {"rows", print_rows, 0, 1},
};

static int wanted(const struct group *group)
{
    char word[32] = "only=";

    memcpy(word + 5, group->name, strlen(group->name) + 1);
    return group->always || (!group->named && !command_line_word("only=", 0)) || command_line_word(word, 0);
}

/* An exception without an IDT. */
static void triple_fault(void)
{
    struct {
        uint16_t limit;
        unsigned long base;
    } __attribute__((packed)) none = {0, 0};

    asm volatile("lidt %0; int3" : : "m"(none));
}

void guest_main(void)
{
    if (command_line_word("triple-fault", 0))
        triple_fault();
    print("# hypercalls, ");
    print_unsigned(8 * sizeof(long));
    print(" bit\n");
    if (command_line_word("order=freebsd", 0)) {
        check_freebsd();
        check_summary();
        return;
    }
    for (unsigned int i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
        if (wanted(&groups[i]))
            groups[i].run();
    check_summary();
}
