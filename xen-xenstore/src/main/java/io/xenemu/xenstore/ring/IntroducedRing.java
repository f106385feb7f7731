package io.xenemu.xenstore.ring;

import java.util.function.Consumer;

/// A domain's ring for a host tool's INTRODUCE, and the receiver of the domain's events.
///
/// @param ring the ring to serve
/// @param events receives the connection; from now on it calls that connection's [RingConnection#service] on every
///     event, instead of an earlier connection's. Called with the store's lock held, before the page is touched: an
///     event that the guest sends once it sees itself connected is not lost. It must not call the store
public record IntroducedRing(Ring ring, Consumer<RingConnection> events) {}
