#include "front.h"

#include "../runtime/grants.h"

#define ENTRIES_PER_FRAME (PAGE / sizeof(grant_entry_v1_t))
/* References below are reserved (GNTTAB_NR_RESERVED_ENTRIES). */
#define FIRST_REF 8

#define GUARDS 64
#define GUARD_WORD 0x6a72d000u

static volatile grant_entry_v1_t *entries;
static grant_ref_t next_ref = FIRST_REF;
static volatile uint32_t *guards[GUARDS];
static unsigned int guard_count;
static uint32_t seed = 12345;

void begin_grants(void)
{
    char *first = alloc_page();

    for (unsigned int i = 1; i < GRANT_FRAMES; i++)
        alloc_page();
    /* The first map makes the table; a map of the last frame grows it. */
    for (unsigned int i = 0; i < GRANT_FRAMES; i++)
        if (map_grant_frame(i, (unsigned long)first / PAGE + i) != 0)
            print("FAIL no grant table\n");
    entries = (volatile grant_entry_v1_t *)first;
}

static void grant_to(grant_ref_t ref, const volatile void *page, domid_t to, uint16_t flags)
{
    entries[ref].frame = (uint32_t)((unsigned long)page / PAGE);
    entries[ref].domid = to;
    __atomic_store_n(&entries[ref].flags, GTF_permit_access | flags, __ATOMIC_SEQ_CST);
}

grant_ref_t grant_page(const volatile void *page, domid_t to, uint16_t flags)
{
    grant_ref_t ref = next_ref++;

    if (ref >= GRANT_FRAMES * ENTRIES_PER_FRAME) {
        print("FAIL no grant reference is left\n");
        return 0;
    }
    grant_to(ref, page, to, flags);
    return ref;
}

void grant_again(grant_ref_t ref, const volatile void *page)
{
    grant_to(ref, page, 0, 0);
}

int in_use(grant_ref_t ref)
{
    return (__atomic_load_n(&entries[ref].flags, __ATOMIC_SEQ_CST) & (GTF_reading | GTF_writing)) != 0;
}

int revoke(grant_ref_t ref)
{
    uint16_t flags = entries[ref].flags & (uint16_t) ~(GTF_reading | GTF_writing);

    return __atomic_compare_exchange_n(&entries[ref].flags, &flags, 0, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

evtchn_port_t open_port(domid_t remote)
{
    struct evtchn_alloc_unbound alloc = {.dom = DOMID_SELF, .remote_dom = remote};

    return event_channel_op(EVTCHNOP_alloc_unbound, &alloc) == 0 ? alloc.port : 0;
}

void close_port(evtchn_port_t port)
{
    struct evtchn_close close = {.port = port};

    if (port)
        event_channel_op(EVTCHNOP_close, &close);
}

void fill_words(volatile void *page, uint32_t value)
{
    volatile uint32_t *words = page;

    for (unsigned int i = 0; i < PAGE / 4; i++)
        words[i] = value;
}

unsigned int other_words(const volatile void *page, uint32_t value)
{
    const volatile uint32_t *words = page;
    unsigned int other = 0;

    for (unsigned int i = 0; i < PAGE / 4; i++)
        other += words[i] != value;
    return other;
}

void *guarded_page(void)
{
    void *page = alloc_page();

    /* Those behind the first pages are enough. */
    if (guard_count < GUARDS) {
        guards[guard_count] = alloc_page();
        fill_words(guards[guard_count], GUARD_WORD | guard_count);
        guard_count++;
    }
    return page;
}

unsigned int changed_guards(void)
{
    unsigned int changed = 0;

    for (unsigned int i = 0; i < guard_count; i++)
        changed += other_words(guards[i], GUARD_WORD | i) != 0;
    return changed;
}

volatile void *grant_frame(unsigned int index)
{
    return (volatile char *)entries + index * PAGE;
}

void begin_random(uint32_t value)
{
    seed = value;
}

/* A linear congruence: the same numbers in each run with the same seed. */
uint32_t random_below(uint32_t limit)
{
    seed = seed * 1103515245u + 12345u;
    return (seed >> 16) % limit;
}
