/* map_grant_ref and unmap_grant_ref where they do not work: each status. */
#include "grant_checks.h"

/* Uses of one entry that Xen counts. */
#define MAX_PINS 128

static volatile uint32_t *source;

static long map_as(domid_t dom, grant_ref_t ref, uint64_t gpa, uint32_t flags)
{
    struct mapping mapping;

    return map_grant(dom, ref, gpa, flags, &mapping);
}

static long map(grant_ref_t ref, uint64_t gpa, uint32_t flags)
{
    return map_as(own_domid(), ref, gpa, flags);
}

static void check_flags(void)
{
    check("grant.map.no_kind_of_mapping", map(REF, HOLE_GPA, 0), GNTST_bad_gntref);
    check("grant.map.read_only_is_no_kind", map(REF, HOLE_GPA, GNTMAP_readonly), GNTST_bad_gntref);
    check("grant.map.for_device", map(REF, HOLE_GPA, GNTMAP_device_map), GNTST_general_error);
    check("grant.map.for_device_too", map(REF, HOLE_GPA, GNTMAP_device_map | GNTMAP_host_map), GNTST_general_error);
    check("grant.map.for_application", map(REF, HOLE_GPA, GNTMAP_application_map | GNTMAP_host_map), GNTST_general_error);
    check("grant.map.by_pte", map(REF, HOLE_GPA, GNTMAP_contains_pte | GNTMAP_host_map), GNTST_general_error);
    check("grant.map.unknown_flag", map(REF, HOLE_GPA, 1 << 8 | GNTMAP_host_map), GNTST_general_error);
    check("grant.map.guest's_own_flag", map(REF, HOLE_GPA, 1 << 16 | GNTMAP_host_map), GNTST_general_error);
    check("grant.map.bad_flags_leave_no_use", grants[REF].flags, GTF_permit_access);
}

static void check_references(void)
{
    uint16_t shared = GTF_permit_access;

    check("grant.map.ref_beyond_table", map(~0u, HOLE_GPA, GNTMAP_host_map), GNTST_bad_gntref);
    check("grant.map.ref_2_31", map(0x80000000, HOLE_GPA, GNTMAP_host_map), GNTST_bad_gntref);
    check("grant.map.ref_not_granted", map(REF + 1, HOLE_GPA, GNTMAP_host_map), GNTST_general_error);
    grant_page(REF + 1, 0x123, source, 0);
    check("grant.map.granted_to_another", map(REF + 1, HOLE_GPA, GNTMAP_host_map), GNTST_general_error);
    grant_page(REF + 1, DOMID_SELF, source, 0);
    check("grant.map.granted_to_domid_self", map(REF + 1, HOLE_GPA, GNTMAP_host_map), GNTST_general_error);
    grant_page(REF + 1, own_domid(), source, GTF_accept_transfer);
    check("grant.map.of_type_3", map(REF + 1, HOLE_GPA, GNTMAP_host_map), GNTST_general_error);
    grant_page(REF + 1, own_domid(), source, GTF_sub_page);
    check("grant.map.of_sub_page", map(REF + 1, HOLE_GPA, GNTMAP_host_map), GNTST_general_error);
    check("grant.map.refused_leaves_no_use", grants[REF + 1].flags, shared | GTF_sub_page);
    grant_page(REF + 1, own_domid(), (void *)HOLE_GPA, 0);
    check("grant.map.of_hole", map(REF + 1, HOLE_GPA, GNTMAP_host_map), GNTST_bad_page);
    check("grant.map.of_hole_leaves_no_use", grants[REF + 1].flags, shared);
    grants[REF + 1].frame = ~0u;
    check("grant.map.of_last_frame", map(REF + 1, HOLE_GPA, GNTMAP_host_map), GNTST_bad_page);
    revoke(REF + 1);
}

static void check_domains(void)
{
    check("grant.map.of_domid_self", map_as(DOMID_SELF, REF, HOLE_GPA, GNTMAP_host_map), GNTST_bad_domain);
    check("grant.map.of_unknown_domain", map_as(UNKNOWN_DOMAIN, REF, HOLE_GPA, GNTMAP_host_map), GNTST_bad_domain);
    check("grant.map.of_domid_io", map_as(DOMID_IO, REF, HOLE_GPA, GNTMAP_host_map), GNTST_bad_domain);
    check("grant.map.of_domid_xen", map_as(DOMID_XEN, REF, HOLE_GPA, GNTMAP_host_map), GNTST_bad_domain);
    check("grant.map.of_domid_invalid", map_as(0xffff, REF, HOLE_GPA, GNTMAP_host_map), GNTST_bad_domain);
    check("grant.map.of_dom0", map_as(0, 5, HOLE_GPA, GNTMAP_host_map), GNTST_general_error);
}

/* Where no page can be; Xen ends a domain that maps over a mapping, which is less kind. */
static void check_addresses(void)
{
    struct mapping mapping;

    check("grant.map.beyond_address_width", map(REF, 1ull << 56, GNTMAP_host_map), GNTST_general_error);
    check("grant.map.at_last_address", map(REF, ~0ull, GNTMAP_host_map), GNTST_general_error);
    check("grant.map.nowhere_leaves_no_use", grants[REF].flags, GTF_permit_access);
    map_own(REF, HOLE_GPA, GNTMAP_host_map, &mapping);
    check("grant.map.over_a_mapping", map(REF, HOLE_GPA, GNTMAP_host_map), GNTST_general_error);
    check("grant.map.over_a_mapping_keeps_its_use", grants[REF].flags, GTF_permit_access | IN_USE);
    /* Xen lets a mapping of one's own page go instead; another domain's page is ENXIO there too. */
    check("grant.map.grant_frame_over_a_mapping", map_grant_frame(1, HOLE_GPA / PAGE), -XEN_ENXIO);
    check("grant.map.mapping_is_still_there", word_at(HOLE_GPA), (int64_t)source[0]);
    unmap_grant(&mapping);
}

static void check_pin_limit(void)
{
    static struct mapping mappings[MAX_PINS];
    unsigned int mapped = 0;

    while (mapped < MAX_PINS && map_own(REF, HOLE_GPA + mapped * PAGE, MAP_RO, &mappings[mapped]) == 0)
        mapped++;
    check("grant.map.one_entry_128_times", mapped, MAX_PINS);
    check("grant.map.one_entry_129_times", map(REF, HOLE_GPA + MAX_PINS * PAGE, MAP_RO), GNTST_general_error);
    check("grant.map.many_see_it", word_at(HOLE_GPA + 100 * PAGE), (int64_t)source[0]);
    for (unsigned int i = 0; i < mapped; i++)
        unmap_grant(&mappings[i]);
    check("grant.unmap.many_clear_flags", grants[REF].flags, GTF_permit_access);
}

void check_map_refusals(void)
{
    source = alloc_page();
    source[0] = 0x5050;
    grant_page(REF, own_domid(), source, 0);
    check_flags();
    check_references();
    check_domains();
    check_addresses();
    check_pin_limit();
    check("grant.map.bad_pointer_is_efault",
          grant_op(GNTTABOP_map_grant_ref, map_window(8, 0, WINDOW_ABSENT), 1), -XEN_EFAULT);
    check("grant.map.nothing", grant_op(GNTTABOP_map_grant_ref, map_window(8, 0, WINDOW_ABSENT), 0), 0);
}

void check_unmap(void)
{
    struct mapping a, b;
    long status;

    map_own(REF, HOLE_GPA, GNTMAP_host_map, &a);
    check("grant.unmap.bad_handle", unmap_handle(~0u, HOLE_GPA, 0), GNTST_bad_handle);
    check("grant.unmap.free_handle", unmap_handle(a.handle + 1, HOLE_GPA, 0), GNTST_bad_handle);
    check("grant.unmap.wrong_address", unmap_handle(a.handle, HOLE_GPA + PAGE, 0), GNTST_general_error);
    check("grant.unmap.address_in_ram", unmap_handle(a.handle, (unsigned long)source, 0), GNTST_general_error);
    check("grant.unmap.without_address_does_nothing", unmap_handle(a.handle, 0, 0), GNTST_okay);
    check("grant.unmap.still_mapped_after_all_that", grants[REF].flags, GTF_permit_access | IN_USE);
    check("grant.unmap.still_seen_after_all_that", word_at(HOLE_GPA), (int64_t)source[0]);
    check("grant.unmap.bus_address_is_not_looked_at", unmap_handle(a.handle, HOLE_GPA, a.bus + PAGE), GNTST_okay);
    check("grant.unmap.twice", unmap_handle(a.handle, HOLE_GPA, a.bus), GNTST_bad_handle);

    map_own(REF, HOLE_GPA, GNTMAP_host_map, &a);
    map_own(REF, HOLE_GPA + PAGE, GNTMAP_host_map, &b);
    check_true("grant.map.handles_differ", a.handle != b.handle);
    check("grant.map.bus_addresses_of_one_page_are_the_same", (int64_t)a.bus, (int64_t)b.bus);
    /* Xen ends it there, whatever the other mapping is for. */
    status = unmap_handle(a.handle, HOLE_GPA + PAGE, 0);
    check_either("grant.unmap.at_the_page's_other_address", status, GNTST_general_error, GNTST_okay);
    check("grant.unmap.at_what_is_left", unmap_handle(b.handle, status ? HOLE_GPA + PAGE : HOLE_GPA, 0), GNTST_okay);
    if (status)
        check("grant.unmap.at_its_own_address", unmap_handle(a.handle, HOLE_GPA, 0), GNTST_okay);
    check("grant.unmap.leaves_no_use", grants[REF].flags, GTF_permit_access);
    check("grant.unmap.bad_pointer_is_efault",
          grant_op(GNTTABOP_unmap_grant_ref, map_window(8, 0, WINDOW_ABSENT), 1), -XEN_EFAULT);
}
