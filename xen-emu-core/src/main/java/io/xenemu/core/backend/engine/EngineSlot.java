package io.xenemu.core.backend.engine;

import io.xenemu.core.delivery.EventRate;

/// The place of a queue on an [Engine].
final class EngineSlot extends Turns.Turn {
    /// The queue that has it.
    final EngineQueue queue;

    /// The key of the queue's descriptors.
    final int index;

    /// Counts runs that find nothing to do. For the engine's thread alone.
    final EventRate rate = new EventRate(System.nanoTime());

    /// Whether the last run found nothing to do. For the engine's thread alone.
    boolean idle;

    /// The end of a pause, in `System.nanoTime()`. For the engine's thread alone.
    long pausesUntil;

    /// Whether it is slowed down, and its eventfd muted. Written by the engine's thread with the engine's monitor held.
    boolean pauses;

    /// Whether it was not allowed to run when it was signalled, and its eventfd is muted. Guarded by that monitor.
    boolean refused;

    private final long epoch;

    /// @param guest of the queue, on this engine
    /// @param epoch of the queue, as [EngineQueue#enter] has it
    EngineSlot(Turns.Guest guest, EngineQueue queue, long epoch, int index) {
        super(guest);
        this.queue = queue;
        this.epoch = epoch;
        this.index = index;
    }

    long epoch() {
        return epoch;
    }
}
