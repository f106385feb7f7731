package io.xenemu.core.backend.ring;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class SharedRingTest {
    private static final RingLayout BLOCK = new RingLayout(112, 16);

    private final Arena arena = Arena.ofConfined();
    private final FrontRing front = new FrontRing(arena, BLOCK, 1, 0);

    @AfterEach
    void close() {
        arena.close();
    }

    @ParameterizedTest
    @CsvSource({
        "112, 1, 32",
        "108, 1, 32",
        "112, 2, 64",
        "112, 4, 128",
        "112, 8, 256",
        "112, 16, 512",
        "12, 1, 256",
        "8, 1, 256",
        "112, 3, 64"
    })
    void slotsAreTheLargestPowerOfTwoThatFits(int bytes, int pages, int slots) {
        assertEquals(slots, new RingLayout(bytes, 8).slots(pages));
    }

    @Test
    void ringsOfOtherSizesAreRefused() {
        assertThrows(IllegalArgumentException.class, () -> BLOCK.slots(0));
        assertThrows(IllegalArgumentException.class, () -> BLOCK.slots(17));
        assertThrows(IllegalArgumentException.class, () -> new RingLayout(8, 9));
    }

    @Test
    void requestIsTakenOnceAndAnswered() throws XenError {
        SharedRing ring = attach();
        send(41);
        assertEquals(1, ring.look());
        assertEquals(41, ring.take().get(ValueLayout.JAVA_INT, 0));
        assertEquals(1, ring.unanswered());
        assertEquals(0, ring.look());
        assertThrows(IllegalStateException.class, ring::take);

        ring.blankAnswer().set(ValueLayout.JAVA_INT, 0, 42);
        ring.answer();
        assertFalse(front.hasAnswer());
        assertTrue(ring.publish());
        assertEquals(42, front.nextAnswer().get(ValueLayout.JAVA_INT, 0));
        assertEquals(0, ring.unanswered());
    }

    @Test
    void takeGivesNoMoreThanTheLastLookSaw() throws XenError {
        SharedRing ring = attach();
        send(1);
        assertEquals(1, ring.look());
        send(2);
        ring.take();
        assertThrows(IllegalStateException.class, ring::take);
        assertEquals(1, ring.look());
    }

    @Test
    void copyDoesNotChangeWithTheSlotXsa155() throws XenError {
        SharedRing ring = attach();
        send(41);
        ring.look();
        MemorySegment copy = ring.take();
        front.page().asSlice(RingLayout.HEADER_BYTES).fill((byte) 0xee);
        assertEquals(41, copy.get(ValueLayout.JAVA_INT, 0));
    }

    @Test
    void answerShowsNothingOfAnEarlierAnswerXsa216() throws XenError {
        SharedRing ring = attach();
        send(1);
        send(2);
        ring.look();
        ring.take();
        ring.blankAnswer().fill((byte) 0xee);
        ring.answer();
        ring.take();
        ring.blankAnswer();
        ring.answer();
        ring.publish();
        front.nextAnswer();
        MemorySegment second = front.nextAnswer();
        for (int i = 0; i < BLOCK.answerBytes(); i++) {
            assertEquals(0, second.get(ValueLayout.JAVA_BYTE, i), "byte " + i);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {33, 1000, Integer.MAX_VALUE, Integer.MIN_VALUE, -1})
    void indexBeyondTheRingBreaksItForGood(int reqProd) throws XenError {
        SharedRing ring = attach();
        front.setIndex(FrontRing.REQ_PROD, reqProd);
        assertEquals(0, ring.look());
        assertTrue(ring.isBroken());
        front.setIndex(FrontRing.REQ_PROD, 1);
        assertEquals(0, ring.look());
        assertEquals(0, ring.lookBeforeSleep());
        assertThrows(IllegalStateException.class, ring::take);
    }

    @Test
    void brokenRingStillAnswersItsTakenRequests() throws XenError {
        SharedRing ring = attach();
        send(1);
        ring.look();
        ring.take();
        front.setIndex(FrontRing.REQ_PROD, -5);
        assertEquals(0, ring.look());
        ring.blankAnswer();
        ring.answer();
        assertTrue(ring.publish());
    }

    @Test
    void requestWithoutRoomForItsAnswerWaits() throws XenError {
        SharedRing ring = attach();
        for (int i = 0; i < front.size(); i++) {
            send(i);
        }
        assertEquals(32, ring.look());
        for (int i = 0; i < 32; i++) {
            ring.take();
        }
        // The front end sends again without an answer, which a correct one cannot.
        front.setIndex(FrontRing.REQ_PROD, 33);
        assertEquals(0, ring.look());
        assertFalse(ring.isBroken());
        ring.blankAnswer();
        ring.answer();
        assertEquals(1, ring.look());
    }

    @Test
    void moreAnswersThanRequestsAreOurBug() throws XenError {
        assertThrows(IllegalStateException.class, attach()::answer);
    }

    @Test
    void frontEndIsNotifiedOnlyWhenItAsked() throws XenError {
        SharedRing ring = attach();
        front.setIndex(FrontRing.RSP_EVENT, 3);
        for (int i = 0; i < 4; i++) {
            send(i);
            ring.look();
            ring.take();
            ring.blankAnswer();
            ring.answer();
            assertEquals(i == 2, ring.publish(), "answer " + i);
        }
    }

    @Test
    void frontEndIsNeverNotifiedWithoutAnAnswerXsa391() throws XenError {
        SharedRing ring = attach();
        for (int event = -3; event < 4; event++) {
            front.setIndex(FrontRing.RSP_EVENT, event);
            assertFalse(ring.publish());
        }
    }

    @Test
    void answersArePublishedTogether() throws XenError {
        SharedRing ring = attach();
        front.setIndex(FrontRing.RSP_EVENT, 2);
        for (int i = 0; i < 3; i++) {
            send(i);
        }
        for (int left = ring.look(); left > 0; left--) {
            ring.take();
            ring.blankAnswer();
            ring.answer();
        }
        assertEquals(0, front.index(FrontRing.RSP_PROD));
        assertTrue(ring.publish());
        assertEquals(3, front.index(FrontRing.RSP_PROD));
    }

    @Test
    void sleepAsksForTheNextRequestAndLooksAgain() throws XenError {
        SharedRing ring = attach();
        send(1);
        ring.look();
        ring.take();
        assertEquals(0, ring.lookBeforeSleep());
        assertEquals(2, front.index(FrontRing.REQ_EVENT));
        assertTrue(send(2));
        assertFalse(send(3));
        assertEquals(2, ring.lookBeforeSleep());
    }

    @Test
    void sleepCanWaitForSeveralRequests() throws XenError {
        SharedRing ring = attach();
        assertEquals(0, ring.lookBeforeSleep(3));
        assertFalse(send(1));
        assertFalse(send(2));
        assertTrue(send(3));
        assertThrows(IllegalArgumentException.class, () -> ring.lookBeforeSleep(0));
        assertThrows(IllegalArgumentException.class, () -> ring.lookBeforeSleep(33));
    }

    @Test
    void attachGoesOnAfterTheLastPublishedAnswer() throws XenError {
        FrontRing used = new FrontRing(arena, BLOCK, 1, -3);
        for (int i = 0; i < 5; i++) {
            used.nextSlot().set(ValueLayout.JAVA_INT, 0, i);
            used.send();
        }
        SharedRing first = SharedRing.attach(used.page(), BLOCK, arena);
        first.look();
        for (int i = 0; i < 4; i++) {
            first.take();
        }
        first.blankAnswer();
        first.answer();
        first.publish();

        SharedRing second = SharedRing.attach(used.page(), BLOCK, arena);
        assertEquals(4, second.look());
        assertEquals(1, second.take().get(ValueLayout.JAVA_INT, 0));
    }

    @Test
    void attachRefusesIndicesThatDoNotBelongTogether() {
        front.setIndex(FrontRing.REQ_PROD, 100);
        assertSame(XenError.EIO, assertThrows(XenError.class, this::attach));
    }

    private SharedRing attach() throws XenError {
        return SharedRing.attach(front.page(), BLOCK, arena);
    }

    private boolean send(int value) {
        front.nextSlot().set(ValueLayout.JAVA_INT, 0, value);
        return front.send();
    }
}
