package io.xenemu.core.backend.engine;

import io.xenemu.kvm.abi.DomId;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The queues of an [Engine], by number and by guest. All but [#at] is for holders of the engine's monitor.
final class EngineSlots {
    /// Queues for which there is room at first.
    private static final int ROOM = 8;

    private final Map<DomId, Guest> guests = new HashMap<>();

    /// Replaced by each change, so that the engine's thread reads it without a lock.
    private volatile @Nullable EngineSlot[] slots = new @Nullable EngineSlot[ROOM];

    /// A guest's queues on the engine.
    private static final class Guest {
        private final Turns.Guest turns = new Turns.Guest();
        private int queues;
    }

    /// Gives a queue a place.
    ///
    /// @param epoch of the queue
    EngineSlot add(EngineQueue queue, long epoch) {
        Guest guest = guests.computeIfAbsent(queue.guest(), _ -> new Guest());
        guest.queues++;
        EngineSlot slot = new EngineSlot(guest.turns, queue, epoch, freeIndex());
        put(slot.index, slot);
        return slot;
    }

    /// Takes a queue's place, which has one.
    void remove(EngineSlot slot) {
        put(slot.index, null);
        Guest guest = guests.get(slot.queue.guest());
        if (guest != null && --guest.queues == 0) {
            guests.remove(slot.queue.guest());
        }
    }

    /// The queue of a number, or null. Any thread.
    @Nullable EngineSlot at(long index) {
        @Nullable EngineSlot[] all = slots;
        return index < all.length ? all[(int) index] : null;
    }

    /// Whether a queue has its place still.
    boolean has(EngineSlot slot) {
        return slots[slot.index] == slot;
    }

    /// The number of queues.
    int size() {
        return guests.values().stream().mapToInt(guest -> guest.queues).sum();
    }

    private int freeIndex() {
        @Nullable EngineSlot[] all = slots;
        int index = 0;
        while (index < all.length && all[index] != null) {
            index++;
        }
        return index;
    }

    private void put(int index, @Nullable EngineSlot slot) {
        @Nullable EngineSlot[] all = slots;
        @Nullable EngineSlot[] next =
                Arrays.copyOf(all, index < all.length ? all.length : 2 * all.length);
        next[index] = slot;
        slots = next;
    }
}
