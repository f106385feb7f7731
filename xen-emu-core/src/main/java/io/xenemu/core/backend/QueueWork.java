package io.xenemu.core.backend;

/// The work of one queue of a device. Runs on the queue's thread, never twice at a time.
@FunctionalInterface
public interface QueueWork {
    /// Serves what the guest has put into the queue, up to a limit of the queue's own: at most one ring full.
    ///
    /// @return whether there was anything to do. A guest that signals for nothing is slowed down
    boolean run();
}
