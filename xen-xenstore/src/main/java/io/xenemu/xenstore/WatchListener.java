package io.xenemu.xenstore;

/// Hears of changes below a watched path.
@FunctionalInterface
public interface WatchListener {
    /// Something at `path` was created, written, removed, or got other permissions; or the watch was just set, then `path`
    /// is the watched one. Events that say the same are merged while the listener is behind. Runs on the server's
    /// executor, without locks.
    void changed(String path);
}
