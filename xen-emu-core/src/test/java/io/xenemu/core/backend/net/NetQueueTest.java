package io.xenemu.core.backend.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.backend.ring.FrontRing;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// Both directions together, with a clock of the test's own.
class NetQueueTest {
    private static final long SECOND = 1_000_000_000L;
    private static final RxFeatures NOTIFIES = new RxFeatures(true, true, true, true, true, 0);

    private final Arena arena = Arena.ofShared();
    private final List<String> told = new ArrayList<>();

    @AfterEach
    void free() {
        arena.close();
    }

    private NetQueue queue(FrontTx tx, FrontRx rx, boolean notifies) {
        return queue(tx, rx, notifies, () -> told.add("tx"), () -> told.add("rx"));
    }

    private NetQueue queue(
            FrontTx tx, FrontRx rx, boolean notifies, Runnable txEvent, Runnable rxEvent) {
        return new NetQueue(
                tx.queue,
                rx.queue,
                notifies,
                new NetQueue.Effects(
                        txEvent,
                        rxEvent,
                        stalled -> told.add("stalled " + stalled),
                        ring -> told.add("broken " + ring),
                        () -> told.add("again"),
                        nanos -> told.add("later")));
    }

    private FrontRx rx() {
        return new FrontRx(arena, NOTIFIES, new MulticastFilter(false));
    }

    @Test
    void bothDirectionsMoveInOneRunAndTheGuestGetsItsEvents() {
        FrontTx tx = new FrontTx(arena);
        FrontRx rx = rx();
        NetQueue queue = queue(tx, rx, true);
        assertEquals(NetQueue.Outcome.NOTHING, queue.run(0));
        tx.frame(Frames.plain(60));
        rx.post(1);
        rx.host(Frames.plain(60));
        assertEquals(NetQueue.Outcome.DONE, queue.run(0));
        assertEquals(List.of("rx", "tx"), told);
        assertEquals(1, tx.answers().size());
        assertEquals(1, rx.answers().size());
    }

    @Test
    void firstEventComesWhenBothRingsShowTheirAnswers() {
        FrontTx tx = new FrontTx(arena);
        FrontRx rx = rx();
        NetQueue queue = queue(tx, rx, true, () -> {}, () -> told.add("rx " + tx.answers().size()));
        tx.frame(Frames.plain(60));
        rx.post(1);
        rx.host(Frames.plain(60));
        queue.run(0);
        assertEquals(List.of("rx 1"), told);
    }

    @Test
    void whileFramesComeAloneTheGuestHearsOfOneBeforeTheHostIsAskedAgain() {
        // The first run does not know yet that they do.
        assertEquals(List.of(2, 1, 1), askedBeforeEvents(1));
    }

    @Test
    void ofManyFramesTheGuestHearsAtTheEnd() {
        assertEquals(List.of(4, 4, 4), askedBeforeEvents(3));
    }

    /// How often each of three runs asks the host for frames before it tells the guest.
    private List<Integer> askedBeforeEvents(int frames) {
        FrontRx rx = rx();
        List<Integer> asked = new ArrayList<>();
        NetQueue queue =
                queue(new FrontTx(arena), rx, true, () -> {}, () -> asked.add(rx.port.asked));
        for (int run = 0; run < 3; run++) {
            rx.post(frames);
            for (int i = 0; i < frames; i++) {
                rx.host(Frames.plain(60));
            }
            rx.port.asked = 0;
            assertEquals(NetQueue.Outcome.DONE, queue.run(run));
            assertEquals(frames + 1, rx.port.asked);
            assertEquals(frames, rx.answers().size());
        }
        return asked;
    }

    @Test
    void guestWithOneEventChannelGetsOneEventForBothDirections() {
        FrontTx tx = new FrontTx(arena);
        FrontRx rx = rx();
        Runnable event = () -> told.add("both");
        NetQueue queue = queue(tx, rx, true, event, event);
        tx.frame(Frames.plain(60));
        rx.post(1);
        rx.host(Frames.plain(60));
        queue.run(0);
        assertEquals(List.of("both"), told);
        assertEquals(1, tx.answers().size());
        assertEquals(1, rx.answers().size());
    }

    /// XSA-391, the other way round: no event without something new.
    @Test
    void aRunInVainTellsNobody() {
        FrontTx tx = new FrontTx(arena);
        NetQueue queue = queue(tx, rx(), true);
        for (int i = 0; i < 100; i++) {
            assertEquals(NetQueue.Outcome.NOTHING, queue.run(i));
        }
        assertEquals(List.of(), told);
    }

    @Test
    void aGuestThatDoesNotTellOfPagesIsAskedAgainSoon() {
        FrontRx rx = rx();
        NetQueue queue = queue(new FrontTx(arena), rx, false);
        rx.host(Frames.plain(60));
        assertEquals(NetQueue.Outcome.NOTHING, queue.run(0));
        assertEquals(30_000_000, queue.patience(0));
        rx.post(1);
        assertEquals(NetQueue.Outcome.DONE, queue.run(0));
        assertEquals(0, queue.patience(0));
    }

    @Test
    void aGuestThatTellsOfPagesHasTenSeconds() {
        FrontRx rx = rx();
        NetQueue queue = queue(new FrontTx(arena), rx, true);
        rx.host(Frames.plain(60));
        queue.run(0);
        assertEquals(10 * SECOND, queue.patience(0));
        assertEquals(4 * SECOND, queue.patience(6 * SECOND));
    }

    /// XSA-392: the host stops sending to a guest that has taken nothing for a minute.
    @Test
    void xsa392AStallIsToldOnceAndEndsWithNewPages() {
        FrontRx rx = rx();
        NetQueue queue = queue(new FrontTx(arena), rx, true);
        for (int i = 0; i <= 70; i++) {
            rx.host(Frames.plain(60));
            queue.run(i * SECOND);
        }
        assertEquals(List.of("stalled true"), told);
        assertEquals(SECOND, queue.patience(70 * SECOND));
        rx.post(2);
        queue.run(71 * SECOND);
        assertEquals(List.of("stalled true", "stalled false"), told);
        rx.host(Frames.plain(60));
        queue.run(72 * SECOND);
        assertEquals(1, rx.answers().size());
    }

    /// XSA-39 and those after it: one broken ring, told once, stops its direction alone.
    @Test
    void aBrokenRingIsToldOnceAndTheOtherGoesOn() {
        FrontTx tx = new FrontTx(arena);
        FrontRx rx = rx();
        NetQueue queue = queue(tx, rx, true);
        tx.ring.setIndex(FrontRing.REQ_PROD, 5000);
        rx.post(1);
        rx.host(Frames.plain(60));
        queue.run(0);
        queue.run(0);
        assertEquals(List.of("rx", "broken tx"), told);
        assertEquals(1, rx.answers().size());
    }

    @Test
    void aQueueThatIsStoppedTouchesNothing() {
        FrontTx tx = new FrontTx(arena);
        NetQueue queue = queue(tx, rx(), true);
        queue.stop();
        tx.frame(Frames.plain(60));
        assertEquals(NetQueue.Outcome.NOTHING, queue.run(0));
        assertTrue(tx.port.sent.isEmpty());
        queue.resume();
        assertEquals(NetQueue.Outcome.DONE, queue.run(0));
    }

    @Test
    void aGuestWithoutCreditIsServedLater() {
        FrontTx tx = new FrontTx(arena, new TxCredit.Rate(60, 1000));
        NetQueue queue = queue(tx, rx(), true);
        for (int i = 0; i < 3; i++) {
            tx.frame(Frames.plain(60));
        }
        assertEquals(NetQueue.Outcome.DONE, queue.run(0));
        assertEquals(1, tx.port.sent.size());
        assertEquals(1_000_000, queue.patience(0));
        queue.run(1_000_000);
        assertEquals(2, tx.port.sent.size());
    }
}
