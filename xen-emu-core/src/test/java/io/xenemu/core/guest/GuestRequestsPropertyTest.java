package io.xenemu.core.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.guest.DriverRequest.Kind;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.Tuple;
import org.jspecify.annotations.Nullable;

/// Any requests in any order, while the driver does any step that its state allows.
final class GuestRequestsPropertyTest {
    /// Actions of other threads and of the driver.
    enum Act {
        PUT,
        TAKE,
        RUNNING,
        SUSPENDED,
        PRESERVED,
        REBOOTING,
        START_AGAIN,
        END,
        DESTROY,
        END_AT_REBOOT
    }

    /// @param kind of the request, if the act puts one
    record Step(Act act, Kind kind) {}

    @Provide
    Arbitrary<List<Step>> steps() {
        Arbitrary<Act> acts =
                Arbitraries.frequency(
                        Tuple.of(12, Act.PUT),
                        Tuple.of(8, Act.TAKE),
                        Tuple.of(4, Act.RUNNING),
                        Tuple.of(2, Act.SUSPENDED),
                        Tuple.of(1, Act.PRESERVED),
                        Tuple.of(2, Act.REBOOTING),
                        Tuple.of(2, Act.START_AGAIN),
                        Tuple.of(1, Act.END),
                        Tuple.of(1, Act.DESTROY),
                        Tuple.of(1, Act.END_AT_REBOOT));
        Arbitrary<Step> step = Combinators.combine(acts, Arbitraries.of(Kind.class)).as(Step::new);
        // Most guests are started first, since nothing else moves a new one.
        return step.list()
                .ofMaxSize(60)
                .map(rest -> {
                    List<Step> all = new ArrayList<>();
                    all.add(new Step(Act.PUT, Kind.START));
                    all.add(new Step(Act.TAKE, Kind.START));
                    all.addAll(rest);
                    return all;
                });
    }

    /// A guest with the expected outcome of its requests.
    private static final class Watched {
        private final GuestRequests requests = new GuestRequests();
        private final Map<Kind, Queue<DriverRequest>> queued = new EnumMap<>(Kind.class);
        private final Map<DriverRequest, Integer> boots = new HashMap<>();
        private final Set<DriverRequest> answered = new HashSet<>();
        private int put;
        private int pauses;
        private boolean destroyed;
        private int boot;

        void step(Step step) {
            GuestState before = requests.state();
            switch (step.act()) {
                case PUT -> put(step.kind());
                case TAKE -> take();
                case RUNNING -> {
                    if (before.mayBecome(GuestState.RUNNING)) {
                        requests.running();
                    }
                }
                case SUSPENDED -> {
                    if (before.mayBecome(GuestState.SUSPENDED)) {
                        requests.suspended();
                    }
                }
                case PRESERVED -> {
                    if (before.mayBecome(GuestState.PRESERVED)) {
                        requests.preserved();
                        pauses = 0;
                    }
                }
                case REBOOTING -> {
                    if (before.mayBecome(GuestState.REBOOTING)) {
                        requests.rebooting();
                        pauses = 0;
                    }
                }
                case START_AGAIN -> {
                    if (before == GuestState.REBOOTING) {
                        requests.startAgain();
                        boot++;
                    }
                }
                case END -> {
                    requests.end();
                    pauses = 0;
                }
                case DESTROY -> {
                    requests.destroy();
                    destroyed = true;
                }
                case END_AT_REBOOT -> requests.endAtStop();
            }
            check(before);
        }

        private void put(Kind kind) {
            DriverRequest request = DriverRequest.of(kind);
            int waiting = requests.waiting();
            Refusal refusal = requests.refusal(kind);
            GuestRequests.Answer answer = requests.put(request);
            if (answer == GuestRequests.Answer.REFUSED) {
                assertNotNull(refusal);
                assertEquals(waiting, requests.waiting());
            } else {
                assertNull(refusal);
                assertFalse(destroyed);
                put++;
                boots.put(request, boot);
                queue(kind).add(request);
            }
        }

        private Queue<DriverRequest> queue(Kind kind) {
            return queued.computeIfAbsent(kind, _ -> new ArrayDeque<>());
        }

        private GuestRequests.@Nullable Step take() {
            GuestState before = requests.state();
            GuestRequests.Step step = requests.next();
            if (step == null) {
                return null;
            }
            DriverRequest request = step.request();
            assertTrue(answered.add(request), "twice");
            if (step.refusal() == null) {
                assertFalse(destroyed);
                assertNotEquals(GuestState.ENDED, before);
                assertEquals(boot, boots.get(request));
                assertEquals(queue(request.kind()).poll(), request, "out of order");
                count(request.kind());
            } else {
                assertTrue(queue(request.kind()).remove(request));
            }
            return step;
        }

        private void count(Kind kind) {
            if (kind == Kind.DUMP_CORE) {
                requests.dumped();
            } else if (kind == Kind.PAUSE) {
                pauses++;
            } else if (kind == Kind.UNPAUSE) {
                pauses--;
            }
        }

        private void check(GuestState before) {
            GuestState now = requests.state();
            assertTrue(now == before || before.mayBecome(now), before + " to " + now);
            assertEquals(put, answered.size() + requests.waiting(), "lost");
            assertTrue(requests.waiting() <= GuestRequests.MAX);
            assertEquals(pauses, requests.pauses());
            assertTrue(pauses >= 0);
            switch (now) {
                case RUNNING -> assertEquals(0, pauses);
                case PAUSED -> assertTrue(pauses > 0);
                default -> {}
            }
        }
    }

    @Property
    void everyRequestIsAnsweredOnceAndMovesTheGuestAsDrawn(@ForAll("steps") List<Step> steps) {
        Watched guest = new Watched();
        steps.forEach(guest::step);

        guest.step(new Step(Act.END, Kind.START));
        while (guest.requests.waiting() > 0) {
            GuestRequests.Step step = guest.take();
            assertNotNull(step);
            assertNotNull(step.refusal());
        }
        assertEquals(guest.put, guest.answered.size());
    }

    @Property
    void destroyedGuestOnlyEnds(
            @ForAll("steps") List<Step> before, @ForAll("steps") List<Step> after) {
        Watched guest = new Watched();
        before.forEach(guest::step);
        guest.step(new Step(Act.DESTROY, Kind.START));
        int pauses = guest.pauses;

        // Its driver ends it sooner or later. Until then it may end its boot, but a request does
        // nothing.
        for (Step step : after) {
            GuestState state = guest.requests.state();
            guest.step(step);
            if (step.act() == Act.PUT || step.act() == Act.TAKE) {
                assertEquals(state, guest.requests.state());
            }
        }
        assertTrue(guest.pauses <= pauses);
    }

    @Property
    void refusedRequestChangesNothing(
            @ForAll("steps") List<Step> steps,
            @ForAll Kind kind,
            @ForAll("steps") List<Step> after) {
        Watched with = new Watched();
        Watched without = new Watched();
        steps.forEach(with::step);
        steps.forEach(without::step);
        if (with.requests.refusal(kind) == null) {
            return;
        }
        with.step(new Step(Act.PUT, kind));

        for (Step step : after) {
            with.step(step);
            without.step(step);
            assertEquals(without.requests.state(), with.requests.state());
            assertEquals(without.pauses, with.pauses);
            assertEquals(without.requests.waiting(), with.requests.waiting());
            assertEquals(without.answered.size(), with.answered.size());
        }
    }
}
