package io.xenemu.xenstore;

import java.lang.foreign.MemorySegment;

/// What it takes to serve a guest.
///
/// @param page the guest's page with `struct xenstore_domain_interface`, shared with the guest: at least
///     [RingPage#SIZE] bytes, 4-byte aligned, and accessible from every thread until the domain is released
/// @param doorbell the way to the guest
public record Ring(MemorySegment page, Doorbell doorbell) {}
