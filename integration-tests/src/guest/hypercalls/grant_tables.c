/* setup_table and swap_grant_ref. */
#include "grant_checks.h"

static long setup_table(domid_t dom, uint32_t frames, xen_pfn_t *list)
{
    struct gnttab_setup_table setup = {.dom = dom, .nr_frames = frames, .status = 99};
    long result;

    set_xen_guest_handle(setup.frame_list, list);
    result = grant_op(GNTTABOP_setup_table, &setup, 1);
    return result ? result : setup.status;
}

void check_setup_table(void)
{
    xen_pfn_t list[4] = {0};
    struct gnttab_query_size size = {.dom = DOMID_SELF};

    grant_op(GNTTABOP_query_size, &size, 1);
    check("grant.setup_table", setup_table(DOMID_SELF, 2, list), GNTST_okay);
    check("grant.setup_table_tells_where_a_frame_is", (int64_t)list[0], (int64_t)((unsigned long)grants / PAGE));
    check("grant.setup_table_leaves_the_rest", (int64_t)list[2], 0);
    check("grant.setup_table_of_own_domid", setup_table(own_domid(), 1, list), GNTST_okay);
    check("grant.setup_table_of_no_frames", setup_table(DOMID_SELF, 0, list), GNTST_okay);
    check("grant.setup_table_beyond_limit", setup_table(DOMID_SELF, size.max_nr_frames + 1, list), GNTST_general_error);
    check("grant.setup_table_huge", setup_table(DOMID_SELF, ~0u, list), GNTST_general_error);
    check("grant.setup_table_of_dom0", setup_table(0, 1, list), GNTST_permission_denied);
    check("grant.setup_table_of_unknown_domain", setup_table(UNKNOWN_DOMAIN, 1, list), GNTST_bad_domain);
    check("grant.setup_table_list_cannot_be_written",
          setup_table(DOMID_SELF, 1, map_window(8, 0, WINDOW_ABSENT)), GNTST_bad_virt_addr);
    check("grant.setup_table_two_at_once_is_einval", grant_op(GNTTABOP_setup_table, list, 2), -XEN_EINVAL);
    check("grant.setup_table_bad_pointer_is_efault",
          grant_op(GNTTABOP_setup_table, map_window(8, 0, WINDOW_ABSENT), 1), -XEN_EFAULT);
}

static long swap(grant_ref_t a, grant_ref_t b)
{
    struct gnttab_swap_grant_ref swap = {.ref_a = a, .ref_b = b, .status = 99};
    long result = grant_op(GNTTABOP_swap_grant_ref, &swap, 1);

    return result ? result : swap.status;
}

static void check_swap_in_use(const char *page)
{
    struct mapping mapping;

    map_own(REF, HOLE_GPA, GNTMAP_host_map, &mapping);
    check("grant.swap_of_used_first", swap(REF, REF + 1), GNTST_eagain);
    check("grant.swap_of_used_second", swap(REF + 1, REF), GNTST_eagain);
    check("grant.swap_of_used_with_itself", swap(REF, REF), GNTST_okay);
    check("grant.swap_refused_changes_nothing", grants[REF].frame, (int64_t)((unsigned long)page / PAGE));
    unmap_grant(&mapping);
}

void check_swap(void)
{
    struct gnttab_swap_grant_ref swaps[2] = {{.ref_a = ~0u, .status = 99}, {.ref_a = REF, .ref_b = REF + 1, .status = 99}};
    char *page = alloc_page();

    grant_page(REF, own_domid(), page, 0);
    grants[REF + 1].frame = 0x777;
    grants[REF + 1].domid = 0x66;
    check_swap_in_use(page);
    check("grant.swap", swap(REF, REF + 1), GNTST_okay);
    check("grant.swap_exchanges_frames", grants[REF].frame, 0x777);
    check("grant.swap_exchanges_domids", grants[REF].domid, 0x66);
    check("grant.swap_exchanges_flags", grants[REF + 1].flags, GTF_permit_access);
    check("grant.swap_bad_first", swap(~0u, REF), GNTST_bad_gntref);
    check("grant.swap_bad_second", swap(REF, 0x7fffffff), GNTST_bad_gntref);
    check("grant.swap_batch", grant_op(GNTTABOP_swap_grant_ref, swaps, 2), 0);
    check("grant.swap_batch_status_of_bad", swaps[0].status, GNTST_bad_gntref);
    check("grant.swap_batch_status_of_good", swaps[1].status, GNTST_okay);
    check("grant.swap_batch_goes_on_after_bad", grants[REF].frame, (int64_t)((unsigned long)page / PAGE));
    check("grant.swap_bad_pointer_is_efault",
          grant_op(GNTTABOP_swap_grant_ref, map_window(8, 0, WINDOW_ABSENT), 1), -XEN_EFAULT);
    revoke(REF);
    revoke(REF + 1);
}
