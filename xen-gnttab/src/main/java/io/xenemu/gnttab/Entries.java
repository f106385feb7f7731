package io.xenemu.gnttab;

/// The entries that a guest writes, in one version's layout. An object covers the pages that exist; growing makes a
/// new object.
///
/// The caller of a method that changes an entry holds the lock of the entry's block. The guest does not know that
/// lock: it may change any word at any time.
sealed interface Entries permits V1Entries, V2Entries {
    /// 1 or 2.
    int version();

    /// The number of entries.
    int count();

    /// Sets the flags in use, and checks atomically that the entry grants the use. Copies the entry as it was
    /// checked. A revocation either comes first and is seen, or finds the flags set.
    ///
    /// @param by the domain that wants access; ignored if `pinned`
    /// @param wholePage whether the use is a mapping, which neither a part of a page nor a transitive grant allows
    /// @param pinned whether the entry is in use already, so that its grant has been checked
    /// @param pinned whether the entry is in use already, so that what it grants has been checked
    /// @return false, with no flag set that was not before, if the entry does not grant it
    boolean mark(
            int ref, int by, boolean readOnly, boolean wholePage, boolean pinned, GrantEntry copy);

    /// Clears flags in use; the guest may revoke the grant once both are clear.
    void clear(int ref, int flags);

    /// Copies an entry.
    void read(int ref, GrantEntry copy);

    /// Writes a grant of a whole page for the guest.
    ///
    /// @param flags `GTF_*`, including the flags in use
    void write(int ref, int flags, int domid, long frame);

    /// The flags, including those in use, wherever the version keeps them.
    int flagsAndStatus(int ref);

    /// The domain to which the entry grants access.
    int domid(int ref);

    /// Exchanges two entries together with their flags in use.
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
