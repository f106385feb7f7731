package io.xenemu.evtchn;

import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.MemorySegment;

/// Finds pages that a guest names by number: the control blocks and event arrays of the FIFO ABI.
@FunctionalInterface
public interface GuestPages {
    /// The guest's page of 4096 bytes, which any thread may read and write until the domain is destroyed. Called with
    /// the binding lock held: it must not call back into [EventChannels].
    ///
    /// @param gfn the guest page number, all 64 bits as the guest wrote them
    /// @throws XenError `EINVAL` if it is not writable memory of the guest, as Xen's `map_guest_page` returns
    MemorySegment map(long gfn) throws XenError;

    /// A page of a restored domain, whose guest may have given the page up since it named it.
    ///
    /// @param gfn a guest page number that [#map] accepted before the domain was saved
    /// @throws XenError `EINVAL` if there is no memory for it
    default MemorySegment mapAgain(long gfn) throws XenError {
        return map(gfn);
    }

    /// For a domain that may not use the FIFO ABI.
    static GuestPages none() {
        return gfn -> {
            throw XenError.EINVAL;
        };
    }
}
