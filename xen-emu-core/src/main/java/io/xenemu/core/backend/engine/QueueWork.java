package io.xenemu.core.backend.engine;

/// The work of one queue of a device, which an [Engine], or a thread of the queue's own, runs when the queue has been
/// signalled.
///
/// Runs of one queue never overlap. Each sees all that the runs before it have done, also after a move to another
/// engine. A run is short: it serves a bounded number of requests, at most one ring full, and returns, so that the
/// queues of other guests have their turns. Work that has more to do signals its own queue.
@FunctionalInterface
public interface QueueWork {
    /// Does a bounded part of what there is to do. All that was there before a signal is seen by a run that begins
    /// after it.
    ///
    /// @return whether there was anything to do. A guest that signals for nothing is slowed down
    boolean run();
}
