package io.xenemu.evtchn;

import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.MemorySegment;

/// Finds pages that a guest names by number: the control blocks and event arrays of the FIFO ABI.
@FunctionalInterface
public interface GuestPages {
    /// The guest's page of 4096 bytes, to be read and written from any thread until the domain is destroyed. Called with the
    /// binding lock held: it must not call back into [EventChannels].
    ///
    /// @param gfn all 64 bits, as the guest wrote them
    /// @throws XenError `EINVAL` if it is not writable memory of the guest, as from Xen's `map_guest_page`
    MemorySegment map(long gfn) throws XenError;

    /// For a domain that is not allowed the FIFO ABI, and so has no such page.
    static GuestPages none() {
        return gfn -> {
            throw XenError.EINVAL;
        };
    }
}
