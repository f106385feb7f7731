/* Version 2 of the table: its way there and back, status words, parts of pages, transitive grants. */
#include "grant_checks.h"

static volatile grant_entry_v2_t *entries;
static volatile grant_status_t *status_words;
static char *page;

static long set_version(uint32_t version)
{
    struct gnttab_set_version set = {.version = version};

    return grant_op(GNTTABOP_set_version, &set, 1);
}

static uint32_t version(void)
{
    struct gnttab_get_version get = {.dom = DOMID_SELF};

    return grant_op(GNTTABOP_get_version, &get, 1) == 0 ? get.version : 0;
}

static void check_in_use(void)
{
    struct gnttab_set_version set = {.version = 2};
    struct mapping mapping;

    grant_page(REF, own_domid(), page, 0);
    map_own(REF, HOLE_GPA, GNTMAP_host_map, &mapping);
    check("grant.v2.set_version_while_in_use_is_ebusy", grant_op(GNTTABOP_set_version, &set, 1), -XEN_EBUSY);
    check("grant.v2.set_version_tells_what_stays", set.version, 1);
    unmap_grant(&mapping);
}

static void check_change(void)
{
    uint32_t xenstore = grants[GNTTAB_RESERVED_XENSTORE].frame;
    unsigned long gfn = frame_outside_ram(2);
    struct mapping mapping;

    grant_page(7, own_domid(), page, 0);
    map_own(7, HOLE_GPA, GNTMAP_host_map, &mapping);
    check("grant.v2.set_version_2", set_version(2), 0);
    check("grant.v2.get_version_is_2", version(), 2);
    check("grant.v2.set_version_2_again", set_version(2), 0);
    check("grant.v2.reserved_entry_keeps_its_frame", (int64_t)entries[GNTTAB_RESERVED_XENSTORE].full_page.frame, xenstore);
    check("grant.v2.other_entries_are_empty", entries[REF].hdr.flags, 0);
    check("grant.v2.map_status_frame", map_grant_frame(XENMAPIDX_grant_table_status, gfn), 0);
    check("grant.v2.map_status_frame_beyond_limit_is_einval",
          map_grant_frame(XENMAPIDX_grant_table_status | 0xffff, gfn), -XEN_EINVAL);
    status_words = (void *)(gfn * PAGE);
    check("grant.v2.reserved_entry_in_use_keeps_its_status", status_words[7], IN_USE);
    check("grant.v2.reserved_entry_in_use_has_no_such_flags", entries[7].hdr.flags, GTF_permit_access);
    check("grant.v2.unmap_what_was_mapped_before", unmap_grant(&mapping), GNTST_okay);
    check("grant.v2.unmap_clears_status", status_words[7], 0);
    entries[7].hdr.flags = 0;
}

static void grant_in_v2(grant_ref_t ref, uint16_t flags, uint64_t frame)
{
    entries[ref].full_page.frame = frame;
    entries[ref].hdr.domid = own_domid();
    __atomic_store_n(&entries[ref].hdr.flags, flags, __ATOMIC_SEQ_CST);
}

static void check_whole_pages(void)
{
    uint64_t frame = (unsigned long)page / PAGE;
    struct mapping mapping;

    *(volatile uint32_t *)page = 0x2222;
    grant_in_v2(REF, GTF_permit_access, frame);
    check("grant.v2.map", map_own(REF, HOLE_GPA, GNTMAP_host_map, &mapping), GNTST_okay);
    check("grant.v2.map_sees_what_is_granted", word_at(HOLE_GPA), 0x2222);
    check("grant.v2.map_sets_status", status_words[REF], IN_USE);
    check("grant.v2.map_leaves_neighbours", status_words[REF + 1], 0);
    check("grant.v2.map_leaves_flags", entries[REF].hdr.flags, GTF_permit_access);
    check("grant.v2.unmap", unmap_grant(&mapping), GNTST_okay);
    check("grant.v2.unmap_clears_status_again", status_words[REF], 0);
    map_own(REF, HOLE_GPA, MAP_RO, &mapping);
    check("grant.v2.map_read_only_sets_reading", status_words[REF], GTF_reading);
    unmap_grant(&mapping);
    grant_in_v2(REF, GTF_permit_access | GTF_readonly, frame);
    check("grant.v2.map_read_only_entry_for_writing",
          map_own(REF, HOLE_GPA, GNTMAP_host_map, &mapping), GNTST_general_error);
    check("grant.v2.refused_leaves_no_status", status_words[REF], 0);
    grant_in_v2(REF, GTF_permit_access, 1ull << 40);
    check("grant.v2.map_of_far_frame", map_own(REF, HOLE_GPA, GNTMAP_host_map, &mapping), GNTST_bad_page);
    grant_in_v2(REF, GTF_permit_access, ~0ull);
    check("grant.v2.map_of_last_frame", map_own(REF, HOLE_GPA, GNTMAP_host_map, &mapping), GNTST_bad_page);
    check("grant.v2.ref_beyond_half_as_many",
          map_own(0x8000, HOLE_GPA, GNTMAP_host_map, &mapping), GNTST_bad_gntref);
}

/* The first 16 bytes of what is granted, from an offset, into the second half of the page. */
static long copy_from_ref(grant_ref_t ref, uint16_t offset, uint16_t length)
{
    struct gnttab_copy copy = {.flags = GNTCOPY_source_gref, .len = length, .status = 99};
    long result;

    copy.source.domid = copy.dest.domid = DOMID_SELF;
    copy.source.u.ref = ref;
    copy.source.offset = offset;
    copy.dest.u.gmfn = (unsigned long)page / PAGE;
    copy.dest.offset = 2048;
    result = grant_op(GNTTABOP_copy, &copy, 1);
    return result ? result : copy.status;
}

static void check_sub_pages(void)
{
    struct mapping mapping;

    entries[REF].sub_page.page_off = 100;
    entries[REF].sub_page.length = 50;
    grant_in_v2(REF, GTF_permit_access | GTF_sub_page, (unsigned long)page / PAGE);
    page[100] = 0x31;
    page[149] = 0x32;
    check("grant.v2.sub_page_copy", copy_from_ref(REF, 100, 50), GNTST_okay);
    check("grant.v2.sub_page_copy_arrives", ((volatile char *)page)[2048] << 8 | ((volatile char *)page)[2048 + 49], 0x3132);
    check("grant.v2.sub_page_copy_of_part", copy_from_ref(REF, 120, 10), GNTST_okay);
    check("grant.v2.sub_page_copy_begins_before", copy_from_ref(REF, 99, 10), GNTST_general_error);
    check("grant.v2.sub_page_copy_ends_after", copy_from_ref(REF, 141, 10), GNTST_general_error);
    check("grant.v2.sub_page_copy_across_page", copy_from_ref(REF, 4090, 10), GNTST_bad_copy_arg);
    check("grant.v2.sub_page_map", map_own(REF, HOLE_GPA, MAP_RO, &mapping), GNTST_general_error);
    check("grant.v2.sub_page_leaves_no_status", status_words[REF], 0);
    entries[REF].sub_page.page_off = 0xffff;
    entries[REF].sub_page.length = 0xffff;
    check("grant.v2.sub_page_beyond_page", copy_from_ref(REF, 0, 10), GNTST_general_error);
    entries[REF].hdr.flags = 0;
}

static void check_transitive(void)
{
    struct mapping mapping;

    grant_in_v2(REF + 1, GTF_permit_access, (unsigned long)page / PAGE);
    entries[REF].transitive.trans_domid = own_domid();
    entries[REF].transitive.pad0 = 0;
    grant_in_v2(REF, GTF_transitive, REF + 1);
    check("grant.v2.transitive_to_itself", copy_from_ref(REF, 0, 10), GNTST_general_error);
    check("grant.v2.transitive_map", map_own(REF, HOLE_GPA, MAP_RO, &mapping), GNTST_general_error);
    entries[REF].transitive.trans_domid = UNKNOWN_DOMAIN;
    check("grant.v2.transitive_of_unknown_domain", copy_from_ref(REF, 0, 10), GNTST_general_error);
    entries[REF].transitive.trans_domid = DOMID_SELF;
    check("grant.v2.transitive_of_domid_self", copy_from_ref(REF, 0, 10), GNTST_general_error);
    entries[REF].transitive.trans_domid = 0;
    check("grant.v2.transitive_of_dom0", copy_from_ref(REF, 0, 10), GNTST_general_error);
    check("grant.v2.transitive_leaves_no_status", status_words[REF], 0);
    entries[REF].hdr.flags = 0;
}

static void check_swap_in_v2(void)
{
    struct gnttab_swap_grant_ref swap = {.ref_a = REF, .ref_b = REF + 1, .status = 99};

    grant_in_v2(REF, 0, 0x123456789ull);
    status_words[REF] = 0x4000;
    check("grant.v2.swap", grant_op(GNTTABOP_swap_grant_ref, &swap, 1) ?: swap.status, GNTST_okay);
    check("grant.v2.swap_exchanges_frames", (int64_t)entries[REF + 1].full_page.frame, 0x123456789ll);
    check("grant.v2.swap_exchanges_flags", entries[REF].hdr.flags, GTF_permit_access);
    check("grant.v2.swap_exchanges_status", status_words[REF + 1], 0x4000);
    status_words[REF + 1] = 0;
    entries[REF].hdr.flags = 0;
}

static void check_way_back(void)
{
    uint32_t xenstore = (uint32_t)entries[GNTTAB_RESERVED_XENSTORE].full_page.frame;

    grant_in_v2(7, GTF_transitive, 0);
    check("grant.v2.set_version_1_with_transitive_is_erange", set_version(1), -XEN_ERANGE);
    grant_in_v2(7, GTF_permit_access, 1ull << 32);
    check("grant.v2.set_version_1_with_far_frame_is_erange", set_version(1), -XEN_ERANGE);
    check("grant.v2.still_version_2", version(), 2);
    grant_in_v2(7, 0, 0);
    check("grant.v2.set_version_1", set_version(1), 0);
    check("grant.v2.get_version_is_1", version(), 1);
    check("grant.v2.status_frame_is_gone", status_words[0], (grant_status_t)NOTHING);
    check("grant.v2.reserved_entry_is_back", grants[GNTTAB_RESERVED_XENSTORE].frame, xenstore);
    check("grant.v2.other_entries_are_empty_again", grants[REF].flags, 0);
}

void check_version_2(void)
{
    page = alloc_page();
    entries = (volatile grant_entry_v2_t *)grants;
    check_in_use();
    check_change();
    if (version() != 2)
        return;
    check_whole_pages();
    check_sub_pages();
    check_transitive();
    check_swap_in_v2();
    check_way_back();
}
