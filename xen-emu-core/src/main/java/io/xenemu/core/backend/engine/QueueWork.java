package io.xenemu.core.backend.engine;

/// The work of one queue of a device, which an [Engine] runs when the queue has been signalled.
///
/// Runs of one queue never overlap. Each sees all that the runs before it have done, also after a move to another
/// engine. A run is short: it serves a bounded number of requests and returns, so that the queues of other guests have
/// their turns.
@FunctionalInterface
public interface QueueWork {
    /// The result of a run.
    enum Outcome {
        /// There was nothing to do. A guest that signals for nothing is slowed down.
        NOTHING,
        /// All that there was to do is done. The next signal starts the next run.
        DONE,
        /// There is more to do: the queue has another turn after the others.
        MORE
    }

    /// Does a bounded part of what there is to do. All that was there before a signal is seen by a run that begins
    /// after it.
    Outcome run();
}
