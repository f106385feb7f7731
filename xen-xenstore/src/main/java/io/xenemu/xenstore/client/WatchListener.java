package io.xenemu.xenstore.client;

/// Receives changes below a watched path.
@FunctionalInterface
public interface WatchListener {
    /// A node at `path` was created, written, removed, or got other permissions; or the watch was just set, and
    /// `path` is the watched path. Equal events are merged while the listener is behind. Runs on the server's
    /// executor, without locks.
    void changed(String path);
}
