package io.xenemu.xenstore.ring;

/// Notifies a guest that its ring has changed: the store's side of the event channel.
@FunctionalInterface
public interface Doorbell {
    /// Sends the event. Called without the store's lock, on the thread of the client that caused it. An exception
    /// goes to [Ring#failed], and that client goes on.
    void ring();
}
