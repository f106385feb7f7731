/* map_grant_ref where it works. */
#include "grant_checks.h"

static volatile uint32_t *source, *ram;

/* In place of RAM: Xen gives that RAM up; here it comes back. */
static void check_over_ram(void)
{
    struct mapping mapping;

    fill_words((void *)source, 0x11111111);
    fill_words((void *)ram, 0x22222222);
    check("grant.map.over_ram", map_own(REF, (unsigned long)ram, GNTMAP_host_map, &mapping), GNTST_okay);
    check("grant.map.sees_what_is_granted", ram[5], 0x11111111);
    ram[5] = 0x33333333;
    check("grant.map.writes_reach_the_granter", source[5], 0x33333333);
    source[6] = 0x44444444;
    check("grant.map.sees_what_the_granter_writes", ram[6], 0x44444444);
    check("grant.map.sets_reading_and_writing", grants[REF].flags, GTF_permit_access | IN_USE);
    check("grant.map.bus_address_is_a_page's", (int64_t)(mapping.bus & (PAGE - 1)), 0);
    check("grant.unmap", unmap_grant(&mapping), GNTST_okay);
    check("grant.unmap.clears_reading_and_writing", grants[REF].flags, GTF_permit_access);
    check("grant.unmap.gives_ram_back", ram[5], 0x22222222);
    ram[5] = 0x55555555;
    check("grant.unmap.separates", source[5], 0x33333333);
}

static void check_in_hole(void)
{
    struct mapping mapping;
    uint64_t inside = HOLE_GPA + 3 * PAGE;

    check("grant.map.in_hole", map_own(REF, inside + 0x123, GNTMAP_host_map, &mapping), GNTST_okay);
    source[0] = 0x1234;
    check("grant.map.in_hole_sees_what_is_granted", word_at(inside), 0x1234);
    check("grant.map.beside_it_is_nothing", word_at(inside + PAGE), NOTHING);
    check("grant.unmap.in_hole", unmap_grant(&mapping), GNTST_okay);
    check("grant.unmap.leaves_nothing", word_at(inside), NOTHING);
}

/* "grant.read_only.WHERE.WHAT" */
static const char *named(const char *where, const char *what)
{
    static char name[80] = "grant.read_only.";
    size_t prefix = strlen("grant.read_only."), length = strlen(where);

    memcpy(name + prefix, where, length);
    name[prefix + length] = '.';
    memcpy(name + prefix + length + 1, what, strlen(what) + 1);
    return name;
}

static void check_read_only_at(uint64_t gpa, const char *where)
{
    struct mapping mapping;

    source[1] = 0x77777777;
    check(named(where, "map"), map_own(REF, gpa, MAP_RO, &mapping), GNTST_okay);
    check(named(where, "sets_reading"), grants[REF].flags, GTF_permit_access | GTF_reading);
    check(named(where, "can_be_read"), word_at(gpa + 4), 0x77777777);
    check(named(where, "write_is_gp"), try_store((volatile uint32_t *)(unsigned long)gpa + 1, 0x88888888), GP_FAULT);
    check(named(where, "write_does_not_arrive"), source[1], 0x77777777);
    check(named(where, "unmap"), unmap_grant(&mapping), GNTST_okay);
    check(named(where, "unmap_clears_reading"), grants[REF].flags, GTF_permit_access);
}

static void check_read_only(void)
{
    struct mapping reader, writer;

    check_read_only_at((unsigned long)ram, "ram");
    check("grant.unmap.ram_can_be_written_again", try_store(ram + 1, 1), 0);
    check_read_only_at(HOLE_GPA, "hole");
    map_own(REF, HOLE_GPA, MAP_RO, &reader);
    check("grant.map.writable_beside_read_only", map_own(REF, HOLE_GPA + PAGE, GNTMAP_host_map, &writer), GNTST_okay);
    check("grant.map.one_page_twice", word_at(HOLE_GPA + 4), (int64_t)word_at(HOLE_GPA + PAGE + 4));
    check("grant.map.writer_can_write", try_store((volatile uint32_t *)(HOLE_GPA + PAGE), 9), 0);
    check("grant.map.reader_sees_it", word_at(HOLE_GPA), 9);
    check("grant.map.reader_still_cannot_write", try_store((volatile uint32_t *)HOLE_GPA, 10), GP_FAULT);
    check("grant.map.both_flags", grants[REF].flags, GTF_permit_access | IN_USE);
    unmap_grant(&writer);
    check("grant.unmap.last_writer_leaves_reading", grants[REF].flags, GTF_permit_access | GTF_reading);
    unmap_grant(&reader);
    check("grant.unmap.last_clears_all", grants[REF].flags, GTF_permit_access);
    grant_page(REF, own_domid(), source, GTF_readonly);
    check("grant.map.read_only_entry_for_reading", map_own(REF, HOLE_GPA, MAP_RO, &reader), GNTST_okay);
    check("grant.map.read_only_entry_is_in_use", grants[REF].flags, GTF_permit_access | GTF_readonly | GTF_reading);
    unmap_grant(&reader);
    check("grant.map.read_only_entry_for_writing", map_own(REF, HOLE_GPA, GNTMAP_host_map, &writer), GNTST_general_error);
    check("grant.map.read_only_entry_unchanged", grants[REF].flags, GTF_permit_access | GTF_readonly);
    grant_page(REF, own_domid(), source, 0);
}

/* Pages of Xen's: they can be granted, and what is mapped over them takes their place. */
static void check_special_pages(void)
{
    unsigned long info = (unsigned long)shared_info, table = (unsigned long)grants;
    struct mapping mapping;
    long status;

    grant_page(REF + 1, own_domid(), shared_info, 0);
    status = map_own(REF + 1, HOLE_GPA, MAP_RO, &mapping);
    check("grant.map.of_shared_info", status, GNTST_okay);
    check_true("grant.map.of_shared_info_sees_it",
               status == GNTST_okay && ((volatile struct shared_info *)HOLE_GPA)->wc_sec == shared_info->wc_sec);
    unmap_grant(&mapping);
    grant_page(REF + 1, own_domid(), grants, 0);
    check("grant.map.of_grant_frame", map_own(REF + 1, HOLE_GPA, GNTMAP_host_map, &mapping), GNTST_okay);
    check("grant.map.of_grant_frame_sees_it", ((volatile grant_entry_v1_t *)HOLE_GPA)[REF + 1].flags,
          GTF_permit_access | IN_USE);
    unmap_grant(&mapping);
    revoke(REF + 1);

    source[2] = 0xabc;
    check("grant.map.over_shared_info", map_own(REF, info, GNTMAP_host_map, &mapping), GNTST_okay);
    check("grant.map.over_shared_info_hides_it", word_at(info + 8), 0xabc);
    unmap_grant(&mapping);
    check("grant.map.shared_info_can_be_shown_again", map_shared_info(info / PAGE), 0);
    check_true("grant.map.shared_info_has_kept_its_content", shared_info->vcpu_info[0].time.tsc_to_system_mul != 0);
    check("grant.map.over_grant_frame", map_own(REF, table, GNTMAP_host_map, &mapping), GNTST_okay);
    check("grant.map.over_grant_frame_hides_it", word_at(table + 8), 0xabc);
    check("grant.unmap.of_grant_frame's_place", unmap_grant(&mapping), GNTST_okay);
    check("grant.map.grant_frame_can_be_shown_again", map_grant_frame(0, table / PAGE), 0);
    check("grant.map.grant_frame_has_kept_its_content", grants[REF].flags, GTF_permit_access);
}

/* What a guest does that it should not: it changes an entry in use. */
static void check_changed_entries(void)
{
    uint32_t *other = alloc_page();
    struct mapping first, second;

    fill_words((void *)source, 1);
    fill_words(other, 2);
    map_own(REF, HOLE_GPA, GNTMAP_host_map, &first);
    revoke(REF);
    check("grant.map.revoked_in_use_stays", word_at(HOLE_GPA), 1);
    grant_page(REF, own_domid(), other, 0);
    check("grant.map.recycled_in_use", map_own(REF, HOLE_GPA + PAGE, GNTMAP_host_map, &second), GNTST_okay);
    check("grant.map.recycled_in_use_is_what_it_was", word_at(HOLE_GPA + PAGE), 1);
    unmap_grant(&second);
    check("grant.unmap.of_revoked", unmap_grant(&first), GNTST_okay);
    check("grant.map.recycled", map_own(REF, HOLE_GPA, GNTMAP_host_map, &first), GNTST_okay);
    check("grant.map.recycled_is_new", word_at(HOLE_GPA), 2);
    unmap_grant(&first);
    revoke(REF);
    check("grant.map.revoked", map_own(REF, HOLE_GPA, GNTMAP_host_map, &first), GNTST_general_error);
    check("grant.map.revoked_has_no_flags", grants[REF].flags, 0);
}

void check_map(void)
{
    source = alloc_page();
    ram = alloc_page();
    grant_page(REF, own_domid(), source, 0);
    check_over_ram();
    check_in_hole();
    check_read_only();
    check_special_pages();
    check_changed_entries();
}
