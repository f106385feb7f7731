package io.xenemu.xenstore;

/// Notifies a guest that its ring has changed: the store's side of the event channel.
@FunctionalInterface
public interface Doorbell {
    /// Sends the event. Called without the store's lock; must not throw.
    void ring();
}
