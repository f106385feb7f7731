package io.xenemu.core.backend.net;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.backend.net.FrontRx.Answer;
import java.io.ByteArrayOutputStream;
import java.lang.foreign.Arena;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.Size;

/// However a guest posts its pages, it gets the host's frames in their order and whole, or with an error in a slot
/// whose page it does not grant.
class RxQueuePropertyTest {
    /// Fewer than the pages of the guest, so that none is posted twice.
    private static final int MOST_POSTED = 60;

    /// A step of the test.
    ///
    /// @param post pages to post
    /// @param length of a frame from the host; none below 14
    /// @param segmented whether the frame is of several segments
    /// @param refused a page that is not granted from now on
    /// @param granted a page that is granted again
    /// @param holds whether the queue is stopped in between
    /// @param moves whether another queue goes on then, as in another service
    record Step(
            int post,
            int length,
            boolean segmented,
            int refused,
            int granted,
            boolean holds,
            boolean moves) {}

    @Property(tries = 300)
    void framesArriveInOrderAndWhole(
            @ForAll("steps") @Size(max = 60) List<Step> steps, @ForAll("headrooms") int headroom) {
        try (Arena arena = Arena.ofConfined()) {
            RxFeatures features = new RxFeatures(true, true, true, true, true, headroom);
            FrontRx front = new FrontRx(arena, features, new MulticastFilter(false));
            Guest guest = new Guest(front);
            for (Step step : steps) {
                guest.take(step);
            }
            // Enough for the rest.
            for (int i = 0; i < steps.size() * 20; i++) {
                guest.post(MOST_POSTED);
                front.serve(0);
                guest.receive();
            }
            assertTrue(guest.expected.isEmpty(), "frames left");
            front.queue.release();
            assertEquals(0, front.pages.inUse());
        }
    }

    @Provide
    Arbitrary<List<Step>> steps() {
        return Combinators.combine(
                        Arbitraries.integers().between(0, 25),
                        Arbitraries.frequencyOf(
                                net.jqwik.api.Tuple.of(3, Arbitraries.integers().between(0, 1514)),
                                net.jqwik.api.Tuple.of(
                                        2, Arbitraries.integers().between(4000, 9000)),
                                net.jqwik.api.Tuple.of(
                                        1, Arbitraries.integers().between(9000, 65_000))),
                        Arbitraries.of(true, false),
                        Arbitraries.integers().between(-200, 63),
                        Arbitraries.integers().between(-200, 63),
                        Arbitraries.of(true, false, false, false),
                        Arbitraries.of(true, false))
                .as(Step::new)
                .list();
    }

    @Provide
    Arbitrary<Integer> headrooms() {
        return Arbitraries.of(0, 0, 256, RxFeatures.MAX_HEADROOM);
    }

    /// The guest, and the frames that it has to get.
    private static final class Guest {
        final FrontRx front;
        final Deque<byte[]> expected = new ArrayDeque<>();

        Guest(FrontRx front) {
            this.front = front;
        }

        void take(Step step) {
            front.pages.refused.add(step.refused);
            front.pages.refused.remove(step.granted);
            post(step.post);
            if (step.length >= 14) {
                byte[] frame = Frames.plain(step.length);
                int type = step.segmented ? VnetHeader.GSO_TCPV6 : VnetHeader.GSO_NONE;
                front.host(frame, step.segmented ? 1 : 0, type, 1400);
                expected.add(frame);
            }
            RxQueue.State state = front.serve(0);
            receive();
            if (step.holds && state == RxQueue.State.IDLE) {
                // With a frame that waits, that frame would be lost.
                front.queue.release();
                assertEquals(0, front.pages.inUse());
                if (step.moves) {
                    front.move();
                }
            }
        }

        void post(int count) {
            front.post(Math.min(count, MOST_POSTED - front.ring.outstanding()));
        }

        /// Reads frames as Linux's front end does.
        void receive() {
            Deque<Answer> answers = new ArrayDeque<>(front.answers());
            while (!answers.isEmpty()) {
                ByteArrayOutputStream frame = new ByteArrayOutputStream();
                Answer slot = answers.remove();
                boolean failed = slot.status() < 0;
                frame.writeBytes(front.take(slot, false));
                if ((slot.flags() & Netif.RX_EXTRA_INFO) != 0) {
                    Answer extra;
                    do {
                        extra = answers.remove();
                        front.take(extra, true);
                    } while ((extra.raw().get(1) & Netif.EXTRA_MORE) != 0);
                }
                while ((slot.flags() & Netif.RX_MORE_DATA) != 0) {
                    slot = answers.remove();
                    failed |= slot.status() < 0;
                    frame.writeBytes(front.take(slot, false));
                }
                byte[] sent = expected.remove();
                if (!failed) {
                    assertArrayEquals(sent, frame.toByteArray());
                }
            }
        }
    }
}
