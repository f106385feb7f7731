/* GNTTABOP_copy. */
#include "grant_checks.h"

#define FROM_REF GNTCOPY_source_gref
#define TO_REF GNTCOPY_dest_gref
#define LENGTH 100

static uint8_t *from, *to;
static unsigned int refused_but_written;

static long run(struct gnttab_copy copy)
{
    long result;

    copy.status = 99;
    result = grant_op(GNTTABOP_copy, &copy, 1);
    return result ? result : copy.status;
}

/* From REF, or from's frame, to REF + 1, or to's frame; by references of this domain's own. */
static struct gnttab_copy request(uint16_t flags, uint16_t from_offset, uint16_t to_offset, uint16_t length)
{
    struct gnttab_copy copy = {.flags = flags, .len = length};

    copy.source.domid = copy.dest.domid = DOMID_SELF;
    copy.source.offset = from_offset;
    copy.dest.offset = to_offset;
    copy.source.u.gmfn = (unsigned long)from / PAGE;
    copy.dest.u.gmfn = (unsigned long)to / PAGE;
    if (flags & FROM_REF)
        copy.source.u.ref = REF;
    if (flags & TO_REF)
        copy.dest.u.ref = REF + 1;
    return copy;
}

static void reset(void)
{
    for (unsigned int i = 0; i < PAGE; i++) {
        from[i] = (uint8_t)(i * 7 + 1);
        to[i] = 0xee;
    }
}

/* Whether exactly that range of the destination has what is in the source. */
static int arrived(unsigned int from_offset, unsigned int to_offset, unsigned int length)
{
    for (unsigned int i = 0; i < PAGE; i++) {
        int inside = i >= to_offset && i < to_offset + length;

        if (((volatile uint8_t *)to)[i] != (inside ? from[from_offset + i - to_offset] : 0xee))
            return 0;
    }
    return 1;
}

static void check_one(const char *name, const char *effect, struct gnttab_copy copy)
{
    reset();
    check(name, run(copy), GNTST_okay);
    check_true(effect, arrived(copy.source.offset, copy.dest.offset, copy.len));
}

static void check_refused(const char *name, struct gnttab_copy copy, int64_t status)
{
    reset();
    check(name, run(copy), status);
    refused_but_written += !arrived(0, 0, 0);
}

void check_grant_copy(void)
{
    struct gnttab_copy copy;

    from = alloc_page();
    to = alloc_page();
    grant_page(REF, own_domid(), from, GTF_readonly);
    grant_page(REF + 1, own_domid(), to, 0);
    check_one("grant.copy.ref_to_ref", "grant.copy.ref_to_ref_arrives", request(FROM_REF | TO_REF, 10, 20, LENGTH));
    check_one("grant.copy.ref_to_frame", "grant.copy.ref_to_frame_arrives", request(FROM_REF, 3, 5, LENGTH));
    check_one("grant.copy.frame_to_ref", "grant.copy.frame_to_ref_arrives", request(TO_REF, 1, 2, LENGTH));
    check_one("grant.copy.frame_to_frame", "grant.copy.frame_to_frame_arrives", request(0, 8, 9, LENGTH));
    check_one("grant.copy.whole_page", "grant.copy.whole_page_arrives", request(FROM_REF | TO_REF, 0, 0, PAGE));
    check_one("grant.copy.last_byte", "grant.copy.last_byte_arrives", request(FROM_REF | TO_REF, PAGE - 1, PAGE - 1, 1));
    check_one("grant.copy.nothing", "grant.copy.nothing_arrives", request(FROM_REF | TO_REF, 0, PAGE, 0));
    copy = request(FROM_REF | TO_REF, 0xffff, 0xffff, 0);
    copy.source.u.ref = copy.dest.u.ref = ~0u;
    copy.source.domid = UNKNOWN_DOMAIN;
    check("grant.copy.nothing_of_nowhere", run(copy), GNTST_okay);
    check_one("grant.copy.unknown_flags", "grant.copy.unknown_flags_arrives", request(FROM_REF | 0xff00, 0, 0, LENGTH));
    copy = request(FROM_REF | TO_REF, 0, 0, LENGTH);
    copy.source.domid = copy.dest.domid = own_domid();
    check_one("grant.copy.by_own_domid", "grant.copy.by_own_domid_arrives", copy);
    check("grant.copy.leaves_no_use_of_source", grants[REF].flags, GTF_permit_access | GTF_readonly);
    check("grant.copy.leaves_no_use_of_destination", grants[REF + 1].flags, GTF_permit_access);
}

static void check_places(void)
{
    check_refused("grant.copy.source_across_end", request(FROM_REF | TO_REF, PAGE - LENGTH + 1, 0, LENGTH), GNTST_bad_copy_arg);
    check_refused("grant.copy.destination_across_end", request(FROM_REF | TO_REF, 0, PAGE - LENGTH + 1, LENGTH),
                  GNTST_bad_copy_arg);
    check_refused("grant.copy.frames_across_end", request(0, 1, 0, PAGE), GNTST_bad_copy_arg);
    check_refused("grant.copy.more_than_a_page", request(FROM_REF | TO_REF, 0, 0, PAGE + 1), GNTST_bad_copy_arg);
    check_refused("grant.copy.greatest_numbers", request(FROM_REF | TO_REF, 0xffff, 0xffff, 0xffff), GNTST_bad_copy_arg);
}

static void check_ends(void)
{
    struct gnttab_copy copy = request(TO_REF, 0, 0, LENGTH);

    copy.source.domid = own_domid();
    check_refused("grant.copy.own_domid_by_frame", copy, GNTST_permission_denied);
    copy.source.domid = 0;
    check_refused("grant.copy.dom0_by_frame", copy, GNTST_permission_denied);
    copy.source.domid = UNKNOWN_DOMAIN;
    check_refused("grant.copy.unknown_domain_by_frame", copy, GNTST_permission_denied);
    copy.source.domid = DOMID_SELF;
    copy.source.u.gmfn = HOLE_GPA / PAGE;
    check_refused("grant.copy.from_hole", copy, GNTST_bad_page);
    copy = request(FROM_REF, 0, 0, LENGTH);
    copy.dest.u.gmfn = HOLE_GPA / PAGE;
    check_refused("grant.copy.to_hole", copy, GNTST_bad_page);
    copy.dest.u.gmfn = ~(xen_pfn_t)0;
    check_refused("grant.copy.to_last_frame", copy, GNTST_bad_page);
    copy.dest.domid = 0;
    check_refused("grant.copy.to_dom0_by_frame", copy, GNTST_permission_denied);
    copy = request(FROM_REF | TO_REF, 0, 0, LENGTH);
    copy.source.domid = UNKNOWN_DOMAIN;
    check_refused("grant.copy.unknown_domain_by_ref", copy, GNTST_bad_domain);
    copy.source.domid = 0;
    check_refused("grant.copy.of_dom0", copy, GNTST_general_error);
    copy.source.domid = DOMID_SELF;
    copy.source.u.ref = ~0u;
    check_refused("grant.copy.ref_beyond_table", copy, GNTST_bad_gntref);
    copy.source.u.ref = REF + 2;
    check_refused("grant.copy.ref_not_granted", copy, GNTST_general_error);
    copy.source.u.ref = REF + 1;
    copy.dest.u.ref = REF;
    check_refused("grant.copy.to_read_only_entry", copy, GNTST_general_error);
    check("grant.copy.to_read_only_entry_leaves_no_use", grants[REF].flags, GTF_permit_access | GTF_readonly);
}

static void check_entries(void)
{
    struct gnttab_copy copy = request(FROM_REF, 0, 0, LENGTH);

    grant_page(REF + 2, 0x123, from, 0);
    copy.source.u.ref = REF + 2;
    check_refused("grant.copy.granted_to_another", copy, GNTST_general_error);
    grant_page(REF + 2, own_domid(), (void *)HOLE_GPA, 0);
    check_refused("grant.copy.of_hole", copy, GNTST_bad_page);
    check("grant.copy.of_hole_leaves_no_use", grants[REF + 2].flags, GTF_permit_access);
    grant_page(REF + 2, own_domid(), from, GTF_transitive);
    check_refused("grant.copy.transitive_in_version_1", copy, GNTST_general_error);
    revoke(REF + 2);
}

static void check_copies_in_batch(void)
{
    struct gnttab_copy copies[3] = {
        request(FROM_REF | TO_REF, 0, 0, 10), request(FROM_REF | TO_REF, PAGE, 0, 10), request(FROM_REF, 10, 10, 10)};

    reset();
    check("grant.copy.batch", grant_op(GNTTABOP_copy, copies, 3), 0);
    check("grant.copy.batch_first", copies[0].status, GNTST_okay);
    check("grant.copy.batch_second", copies[1].status, GNTST_bad_copy_arg);
    check("grant.copy.batch_third", copies[2].status, GNTST_okay);
    check_true("grant.copy.batch_arrives", arrived(0, 0, 20));
    check("grant.copy.bad_pointer_is_efault",
          grant_op(GNTTABOP_copy, map_window(8, 0, WINDOW_ABSENT), 1), -XEN_EFAULT);
}

void check_copy_refusals(void)
{
    check_places();
    check_ends();
    check_entries();
    check("grant.copy.refused_but_written", refused_but_written, 0);
    check_copies_in_batch();
    revoke(REF);
    revoke(REF + 1);
}
