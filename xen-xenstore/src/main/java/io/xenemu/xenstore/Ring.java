package io.xenemu.xenstore;

import java.lang.foreign.MemorySegment;

/// What it takes to serve a guest.
///
/// @param page the guest's page with `struct xenstore_domain_interface`, shared with the guest: at least
///     [RingPage#SIZE] bytes, 4-byte aligned, and accessible from every thread until the domain is released
/// @param doorbell the way to the guest
/// @param gfn guest frame of the page, for saved state; 0 if not known
/// @param port event channel port in the guest, for saved state; 0 if not known
public record Ring(MemorySegment page, Doorbell doorbell, long gfn, int port) {
    /// A ring of unknown frame and port.
    public Ring(MemorySegment page, Doorbell doorbell) {
        this(page, doorbell, 0, 0);
    }
}
