/* Batches of map_grant_ref and unmap_grant_ref: each structure has its status, and a fault ends the batch where it is. */
#include "grant_checks.h"

#define BATCH 32

static struct gnttab_map_grant_ref maps[BATCH];
static struct gnttab_unmap_grant_ref unmaps[BATCH];

static int is_bad(unsigned int index)
{
    return index % 5 == 3;
}

static unsigned int wrong_statuses(int64_t bad)
{
    unsigned int wrong = 0;

    for (unsigned int i = 0; i < BATCH; i++)
        wrong += maps[i].status != (is_bad(i) ? bad : GNTST_okay);
    return wrong;
}

static unsigned int wrong_pages(void)
{
    unsigned int wrong = 0;

    for (unsigned int i = 0; i < BATCH; i++)
        wrong += word_at(maps[i].host_addr) != (is_bad(i) ? NOTHING : i);
    return wrong;
}

static unsigned int used_entries(void)
{
    unsigned int used = 0;

    for (unsigned int i = 0; i < BATCH; i++)
        used += (grants[REF + i].flags & IN_USE) != 0;
    return used;
}

static void check_batch_of_32(void)
{
    unsigned int good = 0, wrong = 0;

    for (unsigned int i = 0; i < BATCH; i++) {
        uint32_t *page = alloc_page();

        *page = i;
        grant_page(REF + i, is_bad(i) ? 0x123 : own_domid(), page, 0);
        maps[i] = map_request(own_domid(), REF + i, HOLE_GPA + i * PAGE, GNTMAP_host_map);
        good += !is_bad(i);
    }
    check("grant.batch.map", grant_op(GNTTABOP_map_grant_ref, maps, BATCH), 0);
    check("grant.batch.map_has_wrong_statuses", wrong_statuses(GNTST_general_error), 0);
    check("grant.batch.map_shows_wrong_pages", wrong_pages(), 0);
    check("grant.batch.map_uses_entries", used_entries(), good);
    for (unsigned int i = 0; i < BATCH; i++)
        unmaps[i] = (struct gnttab_unmap_grant_ref){
            .host_addr = maps[i].host_addr, .handle = is_bad(i) ? ~0u : maps[i].handle, .status = 99};
    check("grant.batch.unmap", grant_op(GNTTABOP_unmap_grant_ref, unmaps, BATCH), 0);
    for (unsigned int i = 0; i < BATCH; i++)
        wrong += unmaps[i].status != (is_bad(i) ? GNTST_bad_handle : GNTST_okay);
    check("grant.batch.unmap_has_wrong_statuses", wrong, 0);
    check("grant.batch.unmap_leaves_entries_in_use", used_entries(), 0);
    for (unsigned int i = 0; i < BATCH; i++)
        revoke(REF + i);
}

/* The fourth of five structures cannot be read. */
static void check_fault(void)
{
    char *page = alloc_page();
    struct gnttab_map_grant_ref *batch = (void *)(page + PAGE) - 3 * sizeof(*batch);
    char *window = map_window(10, page, WINDOW_WRITABLE);

    map_window(11, 0, WINDOW_ABSENT);
    for (unsigned int i = 0; i < 3; i++) {
        grant_page(REF + i, own_domid(), page, 0);
        batch[i] = map_request(own_domid(), REF + i, HOLE_GPA + i * PAGE, GNTMAP_host_map);
    }
    check("grant.batch.fault_is_efault",
          grant_op(GNTTABOP_map_grant_ref, window + PAGE - 3 * sizeof(*batch), 5), -XEN_EFAULT);
    check("grant.batch.fault_keeps_what_was_done", used_entries(), 3);
    check("grant.batch.fault_comes_after_status", batch[2].status, GNTST_okay);
    for (unsigned int i = 0; i < 3; i++)
        unmap_handle(batch[i].handle, batch[i].host_addr, 0);
    check("grant.batch.fault_can_be_undone", used_entries(), 0);
    for (unsigned int i = 0; i < 3; i++)
        revoke(REF + i);
}

/* One handle twice in a batch. */
static void check_duplicates(void)
{
    struct gnttab_unmap_grant_ref twice[2];
    uint32_t *page = alloc_page();
    struct mapping mapping;

    grant_page(REF, own_domid(), page, 0);
    map_own(REF, HOLE_GPA, GNTMAP_host_map, &mapping);
    for (unsigned int i = 0; i < 2; i++)
        twice[i] = (struct gnttab_unmap_grant_ref){.host_addr = HOLE_GPA, .handle = mapping.handle, .status = 99};
    check("grant.batch.unmap_one_twice", grant_op(GNTTABOP_unmap_grant_ref, twice, 2), 0);
    check("grant.batch.unmap_one_twice_first", twice[0].status, GNTST_okay);
    check("grant.batch.unmap_one_twice_second", twice[1].status, GNTST_bad_handle);
    check("grant.batch.unmap_one_twice_flags", grants[REF].flags, GTF_permit_access);
    revoke(REF);
}

void check_map_batches(void)
{
    check_batch_of_32();
    check_fault();
    check_duplicates();
}
