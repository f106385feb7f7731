package io.xenemu.gnttab;

import java.lang.foreign.MemorySegment;

/// The pages of a domain that can be granted.
///
/// A page is known by its machine frame number: 0 to 2^51, not that of any other page of the service, and the same for as
/// long as the page exists, wherever its domain sees it. What is behind a page that is in use stays as it is until [#free],
/// even if the domain is gone by then. Numbers do not come back while anybody may use a page of a domain that is gone.
public interface GuestFrames {
    /// No memory is there.
    long NO_RAM = -1;

    /// A page is there that belongs to another domain, which alone can grant it.
    long FOREIGN = -2;

    /// The machine frame that is at a guest frame now, [#NO_RAM] or [#FOREIGN]. Called with entries locked: must not call
    /// back, nor allocate.
    ///
    /// @param gfn all 64 bits, as the guest wrote them
    long mfn(long gfn);

    /// The memory that contains a page, at [#offset]. Not what the guest sees at some guest frame, which others may show
    /// through, but always this page. Readable and writable.
    ///
    /// @param mfn from [#mfn]
    MemorySegment memory(long mfn);

    /// Where the page begins in [#memory], bytes.
    long offset(long mfn);

    /// The domain is gone, and gives back to its host all pages but those that others use. Called without locks.
    ///
    /// @param mfns the pages in use, in ascending order
    void keepOnly(long[] mfns);

    /// Nobody uses a page any more after [#keepOnly]: it goes back to the host as well. Called without locks, on the thread of
    /// whoever used it last; must not fail. Perhaps called twice.
    void free(long mfn);
}
