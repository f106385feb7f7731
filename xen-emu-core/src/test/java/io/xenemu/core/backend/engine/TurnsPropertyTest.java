package io.xenemu.core.backend.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;

/// Guests take turns, whatever their queues do.
final class TurnsPropertyTest {
    static final int GUESTS = 3;
    static final int QUEUES = 4;

    private static final class Queue extends Turns.Turn {
        private final int guest;

        private Queue(Turns.Guest of, int guest) {
            super(of);
            this.guest = guest;
        }
    }

    private static List<Queue> queues() {
        List<Queue> queues = new ArrayList<>();
        for (int guest = 0; guest < GUESTS; guest++) {
            Turns.Guest of = new Turns.Guest();
            for (int i = 0; i < QUEUES; i++) {
                queues.add(new Queue(of, guest));
            }
        }
        return queues;
    }

    /// Each step signals a queue, or lets the next one run, which may have more to do.
    @Property
    void guestThatWaitsIsServedBeforeAnotherHasTwoTurns(
            @ForAll @Size(max = 200)
                    List<@IntRange(min = -4, max = GUESTS * QUEUES - 1) Integer> steps) {
        List<Queue> all = queues();
        Turns turns = new Turns();
        Set<Queue> waiting = new HashSet<>();
        // By guest, the turns of each other guest since it has begun to wait.
        Map<Integer, Map<Integer, Integer>> passed = new HashMap<>();
        for (int step : steps) {
            if (step >= 0) {
                Queue signalled = all.get(step);
                turns.add(signalled);
                waiting.add(signalled);
                passed.computeIfAbsent(signalled.guest, _ -> new HashMap<>());
            } else if (turns.waiting() > 0) {
                Queue ran = (Queue) turns.next();
                assertTrue(waiting.remove(ran), "a queue runs once for its signals");
                passed.remove(ran.guest);
                passed.values()
                        .forEach(others -> {
                            int times = others.merge(ran.guest, 1, Integer::sum);
                            assertTrue(times < 2, "two turns of one guest while another waits");
                        });
                if (waiting.stream().anyMatch(queue -> queue.guest == ran.guest)) {
                    passed.put(ran.guest, new HashMap<>());
                }
                if (step % 2 == 0) {
                    turns.add(ran);
                    waiting.add(ran);
                    passed.computeIfAbsent(ran.guest, _ -> new HashMap<>());
                }
            }
            assertEquals(waiting.size(), turns.waiting());
        }
    }

    @Property
    void queuesOfAGuestRunInTheOrderOfTheirSignals(
            @ForAll @Size(max = 50) List<@IntRange(min = 0, max = QUEUES - 1) Integer> signals) {
        List<Queue> all = queues();
        Turns turns = new Turns();
        List<Queue> expected = new ArrayList<>();
        for (int signal : signals) {
            turns.add(all.get(signal));
            if (!expected.contains(all.get(signal))) {
                expected.add(all.get(signal));
            }
        }
        List<Queue> ran = new ArrayList<>();
        while (turns.waiting() > 0) {
            ran.add((Queue) turns.next());
        }
        assertEquals(expected, ran);
    }
}
