package io.xenemu.core.backend.ring;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;

class SharedRingPropertyTest {
    private static final int REQUESTS = 2000;

    /// Every request is answered once, whatever the pieces are in which both sides work, and at any index; no side
    /// sleeps while the other has something for it.
    @Property(tries = 100)
    void everyRequestIsAnsweredOnce(
            @ForAll int first,
            @ForAll long seed,
            @ForAll @IntRange(min = 1, max = RingLayout.MAX_PAGES) int pages)
            throws XenError {
        var random = new Random(seed);
        var layout = new RingLayout(4 * (1 + random.nextInt(28)), 4);
        try (Arena arena = Arena.ofConfined()) {
            var front = new FrontRing(arena, layout, pages, first);
            SharedRing ring = SharedRing.attach(front.page(), layout, arena);
            int sent = 0;
            int taken = 0;
            int answered = 0;
            int seen = 0;
            while (seen < REQUESTS) {
                boolean backAsleep = ring.lookBeforeSleep() == 0;
                boolean event = false;
                for (int i = random.nextInt(40); i > 0 && sent < REQUESTS && front.hasRoom(); i--) {
                    front.nextSlot().set(ValueLayout.JAVA_INT, 0, sent++);
                    event |= front.send();
                    assertTrue(event || !backAsleep, "a sleeping back end is woken");
                }
                int left = ring.look();
                assertTrue(left <= ring.size());
                for (; left > 0 && random.nextInt(10) > 0; left--) {
                    assertEquals(taken++, ring.take().get(ValueLayout.JAVA_INT, 0));
                }
                for (int i = random.nextInt(40); i > 0 && answered < taken; i--) {
                    ring.blankAnswer().set(ValueLayout.JAVA_INT, 0, ~answered++);
                    ring.answer();
                }
                boolean frontAsleep = !front.hasAnswer();
                boolean published = answered != seen;
                assertEquals(published && frontAsleep, ring.publish() && frontAsleep);
                while (front.hasAnswer()) {
                    assertEquals(~seen++, front.nextAnswer().get(ValueLayout.JAVA_INT, 0));
                }
            }
        }
    }

    /// A front end that writes anything anywhere: no failure, no more work for each look than the ring has slots, and
    /// nothing outside the ring's pages changes.
    @Property(tries = 300)
    void hostileFrontEndHarmsOnlyItself(
            @ForAll @Size(max = 30) List<@IntRange(min = 0, max = 1023) Integer> words,
            @ForAll @Size(min = 1, max = 30) List<Integer> values,
            @ForAll long seed)
            throws XenError {
        var layout = new RingLayout(112, 16);
        var random = new Random(seed);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment around = arena.allocate(3 * 4096, 4096);
            around.fill((byte) 0x5a);
            var front = new FrontRing(around.asSlice(4096, 4096), layout, 0);
            SharedRing ring = SharedRing.attach(front.page(), layout, arena);
            for (int i = 0; i < 100; i++) {
                int value = values.get(i % values.size());
                int word = words.isEmpty() ? random.nextInt(4) : words.get(i % words.size());
                front.page().setAtIndex(ValueLayout.JAVA_INT, word, value);
                front.setIndex(FrontRing.REQ_PROD, i + random.nextInt(40));
                int left = random.nextBoolean() ? ring.look() : ring.lookBeforeSleep();
                assertTrue(left >= 0 && left <= ring.size());
                for (; left > 0; left--) {
                    ring.take();
                    if (random.nextInt(8) > 0) {
                        ring.blankAnswer();
                        ring.answer();
                    }
                }
                ring.publish();
                assertFalse(ring.publish());
                assertTrue(ring.unanswered() >= 0 && ring.unanswered() <= ring.size());
            }
            for (int i = 0; i < 4096; i++) {
                assertEquals(0x5a, around.get(ValueLayout.JAVA_BYTE, i));
                assertEquals(0x5a, around.get(ValueLayout.JAVA_BYTE, 2 * 4096 + i));
            }
        }
    }

    /// Any indices at the start: attached, or refused with an error; never another failure.
    @Property(tries = 500)
    void anyIndicesAreAttachedOrRefused(@ForAll int reqProd, @ForAll int rspProd) {
        var layout = new RingLayout(8, 8);
        try (Arena arena = Arena.ofConfined()) {
            var front = new FrontRing(arena, layout, 1, 0);
            front.setIndex(FrontRing.REQ_PROD, reqProd);
            front.setIndex(FrontRing.RSP_PROD, rspProd);
            boolean fits = Integer.compareUnsigned(reqProd - rspProd, 256) <= 0;
            try {
                SharedRing ring = SharedRing.attach(front.page(), layout, arena);
                assertTrue(fits);
                assertEquals(reqProd - rspProd, ring.look());
            } catch (XenError e) {
                assertFalse(fits);
            }
        }
    }
}
