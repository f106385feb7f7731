/* grant_table_op as a frontend uses it, and the frames through add_to_physmap. */
#include "check.h"

static long grant_op(unsigned long command, void *arg, unsigned long count)
{
    return hypercall5(__HYPERVISOR_grant_table_op, command, (unsigned long)arg, count, 0, 0);
}

static long map_grant_frame(unsigned long index, unsigned long gfn)
{
    struct xen_add_to_physmap add = {
        .domid = DOMID_SELF, .space = XENMAPSPACE_grant_table, .idx = index, .gpfn = gfn};

    return memory_op(XENMEM_add_to_physmap, &add);
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
}

void check_grants(void)
{
    check_query();
    check_version_ops();
    check_frames();
}
