/// The transport of guests: each has a page with two rings of bytes, by `docs/misc/xenstore-ring.txt`.
///
/// Start at [RingConnection], which serves one guest. [GuestRings] has all of them, and answers INTRODUCE and RELEASE.
///
/// Families of files:
///
/// - What the owner of the guests gives: [Ring], [Doorbell], [GuestDomains], [IntroducedRing], [RequestObserver].
/// - A guest's connection: [RingConnection], with its [RingInput] and [RingOutput], on a [RingPage].
/// - All guests: [GuestRings], [StoreRestoration] (a whole store with its guests, from saved state).
///
/// Lock: the store's. [RingConnection#service] takes it; doorbells ring after it is released. A ring is served on the
/// thread that calls [RingConnection#service].
@NullMarked
package io.xenemu.xenstore.ring;

import org.jspecify.annotations.NullMarked;
