package io.xenemu.core.backend.engine;

import java.util.ArrayDeque;

/// The order in which an engine runs the queues that have work: guests take turns, and the queues of a guest share the
/// guest's turns. So a guest with many busy queues, or with one that is signalled all the time, gets no more turns than
/// another guest that waits (XSA-332).
///
/// For the engine's thread alone. Allocates nothing once its queues have had room for all.
final class Turns {
    /// The guests of which a queue waits, each once.
    private final ArrayDeque<Guest> guests = new ArrayDeque<>();

    private int waiting;

    /// A guest with queues on the engine.
    static final class Guest {
        private final ArrayDeque<Turn> queues = new ArrayDeque<>();
    }

    /// A queue of a guest on the engine.
    static class Turn {
        private final Guest guest;
        private boolean waits;

        Turn(Guest guest) {
            this.guest = guest;
        }
    }

    /// Lets a queue wait for its turn, if it does not wait already.
    void add(Turn queue) {
        if (queue.waits) {
            return;
        }
        queue.waits = true;
        waiting++;
        Guest guest = queue.guest;
        if (guest.queues.isEmpty()) {
            guests.add(guest);
        }
        guest.queues.add(queue);
    }

    /// Takes the queue that has waited longest of the guest whose turn it is.
    ///
    /// @throws java.util.NoSuchElementException if none waits
    Turn next() {
        Guest guest = guests.remove();
        Turn queue = guest.queues.remove();
        queue.waits = false;
        waiting--;
        if (!guest.queues.isEmpty()) {
            guests.add(guest);
        }
        return queue;
    }

    /// The number of queues that wait.
    int waiting() {
        return waiting;
    }
}
