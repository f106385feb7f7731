package io.xenemu.gnttab;

/// A copy of one entry, as the guest wrote it. Each of the guest's words is read once, so that the checked value
/// is the one that is used.
final class GrantEntry {
    int flags;

    /// Guest frame number, unsigned; valid for whole-page and sub-page grants.
    long frame;

    /// Offset and length in bytes; valid for sub-page grants (`GTF_sub_page`).
    int pageOff;

    int length;

    /// Domain and reference of the grant behind this one; valid for transitive grants.
    int transDomid;

    int transRef;

    boolean isTransitive() {
        return (flags & Gtf.TYPE_MASK) == Gtf.TRANSITIVE;
    }

    boolean isSubPage() {
        return (flags & Gtf.SUB_PAGE) != 0;
    }
}
