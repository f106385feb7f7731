package io.xenemu.gnttab;

/// The entries that a guest writes, in one version's layout. An object covers the pages there are; growing makes another.
///
/// What changes an entry is for the holder of its block's lock. The guest does not take part in that lock: it may change
/// any word at any time.
sealed interface Entries permits V1Entries, V2Entries {
    /// 1 or 2.
    int version();

    /// How many there are.
    int count();

    /// Sets the flags in use together with the check that the entry grants it, and copies the entry as it was checked. A
    /// revocation either comes first and is seen, or finds the flags.
    ///
    /// @param by who wants access; not looked at if `pinned`
    /// @param wholePage for a mapping, which neither a part of a page nor a transitive grant allows
    /// @param pinned whether the entry is in use already, so that what it grants has been checked
    /// @return false, with no flag set that was not before, if the entry does not grant it
    boolean mark(
            int ref, int by, boolean readOnly, boolean wholePage, boolean pinned, GrantEntry copy);

    /// Clears flags in use; the guest may revoke the grant once both are clear.
    void clear(int ref, int flags);

    /// Copies an entry.
    void read(int ref, GrantEntry copy);

    /// Writes a grant of a whole page, on behalf of the guest that will find it.
    ///
    /// @param flags `GTF_*`, with the flags in use among them
    void write(int ref, int flags, int domid, long frame);

    /// The flags with those in use among them, whichever word they are in.
    int flagsAndStatus(int ref);

    /// Whom it grants access.
    int domid(int ref);

    /// Exchanges two entries with their flags in use.
    void swap(int a, int b);

    /// Whether flags and domid grant `by` access.
    static boolean grants(int flags, int domid, int by, boolean wholePage, boolean transitive) {
        if (domid != by) {
            return false;
        }
        int type = flags & (wholePage ? Gtf.TYPE_MASK | Gtf.SUB_PAGE : Gtf.TYPE_MASK);
        return type == Gtf.PERMIT_ACCESS || (transitive && !wholePage && type == Gtf.TRANSITIVE);
    }
}
