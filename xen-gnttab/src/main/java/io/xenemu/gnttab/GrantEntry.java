package io.xenemu.gnttab;

/// A copy of what the guest wrote into one entry. Each of the guest's words is read once, so that what was checked is what
/// is used.
final class GrantEntry {
    int flags;

    /// Of a whole page or a part of one: the guest frame, unsigned.
    long frame;

    /// Of a part of a page (`GTF_sub_page`), bytes.
    int pageOff;

    int length;

    /// Of a transitive grant: whose grant stands behind it, and its reference there.
    int transDomid;

    int transRef;

    boolean isTransitive() {
        return (flags & Gtf.TYPE_MASK) == Gtf.TRANSITIVE;
    }

    boolean isSubPage() {
        return (flags & Gtf.SUB_PAGE) != 0;
    }
}
