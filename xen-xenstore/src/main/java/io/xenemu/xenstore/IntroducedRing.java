package io.xenemu.xenstore;

import java.util.function.Consumer;

/// What a host tool's INTRODUCE finds: a domain's ring, and who gets the domain's events.
///
/// @param ring what it takes to serve the guest
/// @param events is given the connection whose [RingConnection#service] is to be called on every event from now on, in
///     place of any that it had. Called with the store's lock held, before the page is touched, so that no event is lost
///     that the guest sends once it finds itself connected; it must not call the store
public record IntroducedRing(Ring ring, Consumer<RingConnection> events) {}
