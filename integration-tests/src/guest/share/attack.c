/*
 * attack SEED ROUNDS DOMID REF COUNT: ROUNDS batches of 32 calls each for maps, unmaps and copies with random references, domains,
 * flags, handles and addresses, many of them around the COUNT references from REF on that DOMID grants to this domain; what
 * was mapped is read and written. Does not touch its own code, stack and page tables, nor its pages above 63.
 * -> violations, maps, maps that worked, unmaps that worked, copies that worked, writes, writes that were refused
 * A violation is a secret seen, a call that worked although it must not, or a write that a mapping's kind does not explain.
 */
#include "share.h"

#include "../runtime/cpu.h"
#include "../runtime/memory.h"

#define BATCH 32
#define HELD 64
#define OWN_PAGES 64
#define HOLES 2048
#define NOBODYS_GPA 0x90000000ul
#define KINDS 6

struct held {
    uint64_t gpa;
    grant_handle_t handle;
    int live, read_only;
};

static struct gnttab_map_grant_ref maps[BATCH];
static struct gnttab_unmap_grant_ref unmaps[BATCH];
static struct gnttab_copy copies[BATCH];
static struct held held[HELD];
static unsigned int unmap_of[BATCH];
static uint64_t state, violations, counts[KINDS];
static domid_t granter;
static uint32_t first_ref, ref_count;

enum { MAPS, MAPPED, UNMAPPED, COPIED, WRITES, REFUSED };

static uint64_t any(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static unsigned int below(unsigned int limit)
{
    return (unsigned int)(any() >> 33) % limit;
}

static void violation_if(int condition)
{
    violations += condition != 0;
}

static uint64_t random_gpa(void)
{
    static const uint64_t special[] = {0xfeff8000, 0xfeffc000, 0xfeffd000, 0xfee00000, 0xfffff000};

    switch (below(40) % 11) {
    case 0:
    case 1:
    case 2:
        return (unsigned long)pages[below(OWN_PAGES)] + below(PAGE);
    case 3:
        return special[below(sizeof(special) / sizeof(special[0]))];
    case 4:
        return (unsigned long)entries;
    case 10:
        /* Where this guest cannot look; each makes KVM's memory slots anew. */
        return below(2) ? any() | 1ull << 33 : (any() & 0x3fffffffff) | 1ull << 33;
    default:
        return HOLE_GPA + below(HOLES) * PAGE;
    }
}

static domid_t random_domain(void)
{
    static const domid_t domains[] = {0, DOMID_SELF, DOMID_IO, DOMID_XEN, 0xffff};
    unsigned int kind = below(20);

    return kind < 17 ? granter : kind == 17 ? (domid_t)any() : domains[below(5)];
}

static grant_ref_t random_ref(void)
{
    unsigned int kind = below(10);

    return kind < 7 ? first_ref + below(ref_count) : kind == 7 ? (grant_ref_t)any() : below(600);
}

static uint32_t random_map_flags(void)
{
    unsigned int kind = below(20);

    return kind < 10 ? GNTMAP_host_map : kind < 18 ? GNTMAP_host_map | GNTMAP_readonly : (uint32_t)any();
}

static int is_visible(uint64_t gpa)
{
    return gpa < 1ull << 32;
}

static uint32_t not_a_secret(void)
{
    uint32_t value = (uint32_t)any();

    return IS_SECRET(value) ? 0 : value;
}

static void look_at(uint64_t gpa)
{
    const volatile uint32_t *words = (void *)(gpa & ~(PAGE - 1));

    for (unsigned int i = 0; i < 8; i++)
        violation_if(IS_SECRET(words[below(PAGE / 4)]));
}

/* The page at a mapping's address, which must be what the mapping says. */
static void use(const struct held *mapping)
{
    volatile uint32_t *words = (void *)(mapping->gpa & ~(PAGE - 1));
    unsigned int vector;

    if (!is_visible(mapping->gpa))
        return;
    look_at(mapping->gpa);
    vector = try_store(&words[below(PAGE / 4)], not_a_secret());
    counts[WRITES]++;
    counts[REFUSED] += vector != 0;
    violation_if(vector != (mapping->read_only ? 13 : 0));
}

static struct held *free_slot(void)
{
    for (unsigned int i = 0; i < HELD; i++)
        if (!held[i].live)
            return &held[i];
    return 0;
}

static void keep(const struct gnttab_map_grant_ref *map)
{
    struct held *slot = free_slot();
    int legal = map->dom == granter && map->ref - first_ref < ref_count
        && (map->flags & ~GNTMAP_readonly) == GNTMAP_host_map;

    violation_if(!legal || !slot);
    counts[MAPPED]++;
    if (!slot)
        return;
    slot->gpa = map->host_addr;
    slot->handle = map->handle;
    slot->read_only = (map->flags & GNTMAP_readonly) != 0;
    slot->live = 1;
    use(slot);
}

static unsigned int held_count(void)
{
    unsigned int count = 0;

    for (unsigned int i = 0; i < HELD; i++)
        count += held[i].live != 0;
    return count;
}

static void map_some(void)
{
    if (held_count() > HELD - BATCH)
        return;
    for (unsigned int i = 0; i < BATCH; i++)
        maps[i] = map_request(random_domain(), random_ref(), random_gpa(), random_map_flags());
    violation_if(grant_op(GNTTABOP_map_grant_ref, maps, BATCH) != 0);
    for (unsigned int i = 0; i < BATCH; i++) {
        counts[MAPS]++;
        violation_if(maps[i].status > 0);
        if (maps[i].status == GNTST_okay)
            keep(&maps[i]);
    }
}

/* A good one, or one that must fail: an address at which nothing is ever mapped, or a handle that there is not. */
static struct gnttab_unmap_grant_ref random_unmap(unsigned int *slot)
{
    struct gnttab_unmap_grant_ref unmap = {.status = 99};
    unsigned int kind = below(8);

    *slot = below(HELD);
    unmap.host_addr = held[*slot].gpa;
    unmap.handle = held[*slot].handle;
    if (held[*slot].live && kind < 6 && unmap.host_addr >= PAGE)
        return unmap;
    *slot = HELD;
    if (kind & 1)
        unmap.host_addr = NOBODYS_GPA;
    else
        unmap.handle |= 0xff000000 | (uint32_t)any();
    if (unmap.host_addr < PAGE)
        unmap.host_addr = NOBODYS_GPA;
    return unmap;
}

static void unmap_some(void)
{
    for (unsigned int i = 0; i < BATCH; i++)
        unmaps[i] = random_unmap(&unmap_of[i]);
    violation_if(grant_op(GNTTABOP_unmap_grant_ref, unmaps, BATCH) != 0);
    for (unsigned int i = 0; i < BATCH; i++) {
        struct held *slot = &held[unmap_of[i]];

        if (unmap_of[i] == HELD || !slot->live) {
            violation_if(unmaps[i].status == GNTST_okay);
            continue;
        }
        violation_if(unmaps[i].status != GNTST_okay);
        slot->live = 0;
        counts[UNMAPPED]++;
        /* What was there before must not be what the granter makes of its page now. */
        if (is_visible(slot->gpa))
            look_at(slot->gpa);
    }
}

static struct gnttab_copy random_copy(void)
{
    struct gnttab_copy copy = {.flags = GNTCOPY_source_gref, .status = 99};
    unsigned int own_page = OWN_PAGES + below(PAGES - OWN_PAGES);

    copy.len = below(10) == 0 ? (uint16_t)any() : (uint16_t)below(PAGE);
    copy.source.domid = random_domain();
    copy.source.offset = below(4) == 0 ? (uint16_t)any() : 0;
    copy.source.u.ref = random_ref();
    copy.dest.domid = DOMID_SELF;
    copy.dest.u.gmfn = (unsigned long)pages[own_page] / PAGE;
    if (below(3) == 0) {
        struct gnttab_copy_ptr other = copy.source;

        /* The other way round. */
        copy.source = copy.dest;
        copy.source.offset = 0;
        copy.dest = other;
        copy.flags = GNTCOPY_dest_gref;
    }
    /* The destination stays what it is, lest this guest writes over itself. */
    if (below(20) == 0)
        copy.flags ^= (uint16_t)any() & (uint16_t)~GNTCOPY_dest_gref;
    return copy;
}

static void check_copy(const struct gnttab_copy *copy)
{
    if (copy->status != GNTST_okay)
        return;
    counts[COPIED]++;
    /* To copy nothing, nothing is looked at. */
    if (copy->len == 0)
        return;
    if (copy->flags & GNTCOPY_source_gref)
        violation_if(copy->source.domid == granter && copy->source.u.ref - first_ref >= ref_count);
    if (copy->flags & GNTCOPY_dest_gref)
        violation_if(copy->dest.domid == granter && copy->dest.u.ref - first_ref >= ref_count);
}

static void copy_some(void)
{
    for (unsigned int i = 0; i < BATCH; i++)
        copies[i] = random_copy();
    violation_if(grant_op(GNTTABOP_copy, copies, BATCH) != 0);
    for (unsigned int i = 0; i < BATCH; i++)
        check_copy(&copies[i]);
    for (unsigned int i = OWN_PAGES; i < PAGES; i++)
        violation_if(IS_SECRET(pages[i][below(PAGE / 4)]));
}

void attack(const uint64_t *a)
{
    state = a[0] | 1;
    granter = (domid_t)a[2];
    first_ref = (uint32_t)a[3];
    ref_count = (uint32_t)a[4];
    /* Its own secrets are not looked for. */
    for (unsigned int i = 0; i < PAGES; i++)
        fill_page(i, 0);
    for (uint64_t round = 0; round < a[1]; round++) {
        map_some();
        for (unsigned int i = 0; i < BATCH; i++)
            if (held[i].live)
                use(&held[i]);
        copy_some();
        unmap_some();
        if (below(2))
            unmap_some();
    }
    answer(violations);
    for (unsigned int i = 0; i < KINDS; i++)
        answer(counts[i]);
}
