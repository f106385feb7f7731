/*
 * The limits of a domain that may have few frames (max-grant-frames=N on the command line), one frame of maptrack and no
 * version 2.
 */
#include "grant_checks.h"

/* Mappings in a frame of maptrack; Xen keeps one of them for each vCPU back. */
#define MAPTRACK 256
#define PER_ENTRY 100

static struct mapping mappings[MAPTRACK + 1];
static char *page;

static long map_number(unsigned int number)
{
    return map_own(REF + number / PER_ENTRY, HOLE_GPA + number * PAGE, MAP_RO, &mappings[number]);
}

static unsigned int map_until_refused(long *status)
{
    unsigned int mapped = 0;

    while (mapped <= MAPTRACK && (*status = map_number(mapped)) == GNTST_okay)
        mapped++;
    return mapped;
}

static void check_maptrack(void)
{
    unsigned int mapped, again;
    long status, again_status, unmapped = 0;

    for (unsigned int i = 0; i <= MAPTRACK / PER_ENTRY; i++)
        grant_page(REF + i, own_domid(), page, 0);
    mapped = map_until_refused(&status);
    check_either("grant_limit.mappings", mapped, MAPTRACK, MAPTRACK - 1);
    check("grant_limit.one_mapping_more", status, GNTST_no_space);
    check("grant_limit.one_mapping_more_of_unknown_domain",
          map_grant(UNKNOWN_DOMAIN, REF, HOLE_GPA, MAP_RO, &mappings[MAPTRACK]), GNTST_bad_domain);
    check("grant_limit.one_mapping_more_of_bad_ref",
          map_own(~0u, HOLE_GPA, MAP_RO, &mappings[MAPTRACK]), GNTST_no_space);
    check("grant_limit.unmap_one", unmap_grant(&mappings[7]), GNTST_okay);
    check("grant_limit.refused_map_takes_no_handle", map_own(~0u, HOLE_GPA, MAP_RO, &mappings[MAPTRACK]), GNTST_bad_gntref);
    check("grant_limit.map_one_again", map_number(7), GNTST_okay);
    for (unsigned int i = 0; i < mapped; i++)
        unmapped += unmap_grant(&mappings[i]) == GNTST_okay;
    check("grant_limit.unmap_all", unmapped, mapped);
    check("grant_limit.unmap_all_clears_flags", grants[REF].flags, GTF_permit_access);
    again = map_until_refused(&again_status);
    check("grant_limit.as_many_mappings_again", again, mapped);
    for (unsigned int i = 0; i < again; i++)
        unmap_grant(&mappings[i]);
}

static void check_grant_frames(uint32_t limit)
{
    struct gnttab_query_size size = {.dom = DOMID_SELF, .status = 99};
    unsigned long gfn = frame_outside_ram(1);
    grant_ref_t last = limit * PAGE / sizeof(grant_entry_v1_t) - 1;
    struct mapping mapping;

    grant_op(GNTTABOP_query_size, &size, 1);
    check("grant_limit.frames", size.max_nr_frames, limit);
    check("grant_limit.last_entry_before_growth",
          map_own(last, HOLE_GPA, GNTMAP_host_map, &mapping), GNTST_bad_gntref);
    check("grant_limit.map_frame_beyond_limit_is_einval", map_grant_frame(limit, gfn), -XEN_EINVAL);
    check("grant_limit.map_last_frame", map_grant_frame(limit - 1, gfn), 0);
    grants = (void *)(gfn * PAGE - (limit - 1) * PAGE);
    grant_page(last, own_domid(), page, 0);
    check("grant_limit.last_entry", map_own(last, HOLE_GPA, GNTMAP_host_map, &mapping), GNTST_okay);
    unmap_grant(&mapping);
    check("grant_limit.entry_after_last", map_own(last + 1, HOLE_GPA, GNTMAP_host_map, &mapping), GNTST_bad_gntref);
    revoke(last);
}

static void check_version_limit(void)
{
    struct gnttab_set_version set = {.version = 2};

    check("grant_limit.set_version_2_is_enosys", grant_op(GNTTABOP_set_version, &set, 1), -XEN_ENOSYS);
    check("grant_limit.set_version_2_tells_1", set.version, 1);
    set.version = 1;
    check("grant_limit.set_version_1", grant_op(GNTTABOP_set_version, &set, 1), 0);
}

/* Only for a domain with such limits. */
void check_grant_limits(void)
{
    uint32_t limit = 0;
    unsigned long table;

    if (!command_line_word("max-grant-frames", &limit))
        return;
    page = alloc_page();
    table = (unsigned long)alloc_page();
    map_grant_frame(0, table / PAGE);
    check_grant_frames(limit);
    check_version_limit();
    grants = (void *)table;
    check_maptrack();
}
