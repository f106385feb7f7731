package io.xenemu.core.backend.block;

/// What a [BlockQueue] tells. Called without its lock.
interface QueueSignals {
    /// Sends the guest an event.
    void notifyGuest();

    /// Lets [BlockQueue#run] be called again soon.
    void wake();

    /// Lets [BlockQueue#run] be called again after a time.
    void wakeAfter(long nanos);

    /// The guest has broken the ring; called once.
    void broken();

    /// The store has failed to do an operation that it serves.
    void failed(BlockOp op, int errno);
}
