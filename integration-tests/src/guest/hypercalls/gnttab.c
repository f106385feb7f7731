/* grant_table_op as a frontend uses it, and the frames through add_to_physmap. */
#include "grant_checks.h"

volatile grant_entry_v1_t *grants;

void grant_page(grant_ref_t ref, domid_t domid, const volatile void *page, uint16_t flags)
{
    grants[ref].frame = (uint32_t)((unsigned long)page / PAGE);
    grants[ref].domid = domid;
    __atomic_store_n(&grants[ref].flags, GTF_permit_access | flags, __ATOMIC_SEQ_CST);
}

void revoke(grant_ref_t ref)
{
    __atomic_store_n(&grants[ref].flags, 0, __ATOMIC_SEQ_CST);
}

uint32_t word_at(uint64_t gpa)
{
    return *(volatile uint32_t *)(unsigned long)gpa;
}

long map_own(grant_ref_t ref, uint64_t gpa, uint32_t flags, struct mapping *mapping)
{
    return map_grant(own_domid(), ref, gpa, flags, mapping);
}

void fill_words(void *page, uint32_t value)
{
    for (unsigned int i = 0; i < PAGE / 4; i++)
        ((volatile uint32_t *)page)[i] = value;
}

static struct gnttab_query_size query(domid_t domid, long *result)
{
    struct gnttab_query_size size = {.dom = domid, .status = 99};

    *result = grant_op(GNTTABOP_query_size, &size, 1);
    return size;
}

static void check_query(void)
{
    long result;
    struct gnttab_query_size size = query(DOMID_SELF, &result);

    check("grant.query_size", result, 0);
    check("grant.query_size_status", size.status, GNTST_okay);
    check_true("grant.query_size_limits", size.nr_frames >= 1 && size.max_nr_frames >= size.nr_frames);
    size = query(0x7000, &result);
    check("grant.query_size_unknown_domain", result, 0);
    check("grant.query_size_unknown_domain_status", size.status, GNTST_bad_domain);
    size = query(0, &result);
    check("grant.query_size_of_dom0", size.status, GNTST_permission_denied);
    check("grant.query_size_of_own_domid", query(own_domid(), &result).status, GNTST_okay);
    check("grant.query_size_two_at_once_is_einval", grant_op(GNTTABOP_query_size, &size, 2), -XEN_EINVAL);
    check("grant.query_size_bad_pointer_is_efault",
          grant_op(GNTTABOP_query_size, map_window(8, 0, WINDOW_ABSENT), 1), -XEN_EFAULT);
}

static void check_version_ops(void)
{
    struct gnttab_set_version set = {.version = 1};
    struct gnttab_get_version get = {.dom = DOMID_SELF};

    check("grant.set_version_1", grant_op(GNTTABOP_set_version, &set, 1), 0);
    check("grant.set_version_1_returns_it", set.version, 1);
    check("grant.get_version", grant_op(GNTTABOP_get_version, &get, 1), 0);
    check("grant.get_version_is_1", get.version, 1);
    set.version = 3;
    check("grant.set_version_3_is_einval", grant_op(GNTTABOP_set_version, &set, 1), -XEN_EINVAL);
    check("grant.set_version_bad_pointer_is_efault",
          grant_op(GNTTABOP_set_version, map_window(8, 0, WINDOW_ABSENT), 1), -XEN_EFAULT);
    get.dom = 0x7000;
    check("grant.get_version_unknown_domain_is_esrch", grant_op(GNTTABOP_get_version, &get, 1), -XEN_ESRCH);
    get.dom = 0;
    check("grant.get_version_of_dom0_is_eperm", grant_op(GNTTABOP_get_version, &get, 1), -XEN_EPERM);
    check("grant.unknown_is_enosys", grant_op(99, &get, 1), -XEN_ENOSYS);
}

static void check_frames(void)
{
    long result;
    unsigned long inside = (unsigned long)alloc_page() / PAGE, outside = frame_outside_ram(1);
    struct gnttab_query_size size;
    volatile grant_entry_v1_t *entries = (void *)(outside * PAGE);

    check("grant.map_frame_0_outside_of_ram", map_grant_frame(0, outside), 0);
    check("grant.xenstore_entry_is_granted_to_dom0", entries[GNTTAB_RESERVED_XENSTORE].flags & GTF_type_mask,
          GTF_permit_access);
    check("grant.xenstore_entry_frame", entries[GNTTAB_RESERVED_XENSTORE].frame,
          (int64_t)hvm_param(HVM_PARAM_STORE_PFN));
    entries[9].frame = 0x1234;
    check("grant.map_frame_0_inside_of_ram", map_grant_frame(0, inside), 0);
    entries = (void *)(inside * PAGE);
    check("grant.content_moves_along", entries[9].frame, 0x1234);
    entries[9].frame = 0;
    size = query(DOMID_SELF, &result);
    check("grant.map_frame_1_grows_table", map_grant_frame(1, outside), 0);
    check_true("grant.query_size_after_growth", query(DOMID_SELF, &result).nr_frames >= 2);
    check("grant.new_frame_is_empty", ((volatile grant_entry_v1_t *)(outside * PAGE))[0].flags, 0);
    check("grant.map_last_frame", map_grant_frame(size.max_nr_frames - 1, frame_outside_ram(2)), 0);
    check("grant.map_beyond_last_frame_is_einval", map_grant_frame(size.max_nr_frames, outside), -XEN_EINVAL);
    check("grant.map_huge_index_is_einval", map_grant_frame(0x7fffffff, outside), -XEN_EINVAL);
    check("grant.map_status_frame_in_version_1_is_einval",
          map_grant_frame(XENMAPIDX_grant_table_status, outside), -XEN_EINVAL);
    grants = entries;
}

/* Operations that Xen has, but not for HVM guests. */
static void check_refused_operations(void)
{
    uint64_t arg[8] = {0};

    check("grant.dump_table_is_enosys", grant_op(GNTTABOP_dump_table, arg, 1), -XEN_ENOSYS);
    check("grant.transfer_is_enosys", grant_op(GNTTABOP_transfer, arg, 1), -XEN_ENOSYS);
    check("grant.unmap_and_replace_is_enosys", grant_op(GNTTABOP_unmap_and_replace, arg, 1), -XEN_ENOSYS);
    check("grant.get_status_frames_is_enosys", grant_op(GNTTABOP_get_status_frames, arg, 1), -XEN_ENOSYS);
    check("grant.cache_flush_is_enosys", grant_op(GNTTABOP_cache_flush, arg, 1), -XEN_ENOSYS);
    check("grant.continuation_bits_are_enosys", grant_op(1 << 12 | GNTTABOP_copy, arg, 1), -XEN_ENOSYS);
    check("grant.negative_count_is_einval", grant_op(GNTTABOP_copy, arg, 0x80000000), -XEN_EINVAL);
}

void check_grants(void)
{
    check_query();
    check_version_ops();
    check_frames();
    check_refused_operations();
    check_setup_table();
    check_swap();
    check_map();
    check_map_refusals();
    check_unmap();
    check_map_batches();
    check_grant_copy();
    check_copy_refusals();
    check_version_2();
}
