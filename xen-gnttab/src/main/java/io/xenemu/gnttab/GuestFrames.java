package io.xenemu.gnttab;

import java.lang.foreign.MemorySegment;

/// The pages of a domain that can be granted.
///
/// A page is identified by its machine frame number: 0 to 2^51, unique in the service, and constant as long as the
/// page exists, wherever its domain sees it. The memory of a page in use does not change until [#free], even if the
/// domain is gone by then. Numbers are not reused while a page of an ended domain may still be in use.
public interface GuestFrames {
    /// The frame has no memory.
    long NO_RAM = -1;

    /// The frame shows a page of another domain, which only that domain can grant.
    long FOREIGN = -2;

    /// The machine frame that is at a guest frame now, or [#NO_RAM] or [#FOREIGN]. Called with entries locked: must
    /// neither call back nor allocate.
    ///
    /// @param gfn all 64 bits, as the guest wrote them
    long mfn(long gfn);

    /// The memory that contains a page, at [#offset]: always this page, not whatever a guest frame shows now.
    /// Readable and writable.
    ///
    /// @param mfn from [#mfn]
    MemorySegment memory(long mfn);

    /// Offset in [#memory] at which the page begins, bytes.
    long offset(long mfn);

    /// A use of a page for writing ends: the page may have been written, and is not written any more by this use.
    /// Called with no lock held, on the thread that ends the use; must neither call back nor allocate.
    ///
    /// @param mfn from [#mfn]
    void written(long mfn);

    /// The domain is gone: gives all pages back to the host, except those that others use. Called without locks.
    ///
    /// @param mfns the pages in use, in ascending order
    void keepOnly(long[] mfns);

    /// Gives a page back to the host after [#keepOnly], when its last use has ended. Called without locks, on the
    /// thread that ended the last use; must not fail. May be called twice.
    void free(long mfn);
}
