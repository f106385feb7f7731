package io.xenemu.core.backend.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.util.Random;
import org.junit.jupiter.api.Test;

class TxCreditTest {
    private static final long MILLI = 1_000_000;

    /// 10 Mbit/s in intervals of 50 ms.
    private static final TxCredit.Rate RATE = new TxCredit.Rate(62_500, 50_000);

    @Test
    void noRateNeverWaits() {
        TxCredit credit = new TxCredit(TxCredit.Rate.UNLIMITED, 0);
        credit.use(Integer.MAX_VALUE);
        assertEquals(0, credit.delay(0));
    }

    @Test
    void aDebtIsPaidOverIntervals() {
        TxCredit credit = new TxCredit(RATE, 0);
        assertEquals(0, credit.delay(0));
        credit.use(3 * 62_500);
        assertEquals(150 * MILLI, credit.delay(0));
        assertEquals(100 * MILLI, credit.delay(50 * MILLI));
        assertTrue(credit.delay(149 * MILLI) > 0);
        assertEquals(0, credit.delay(150 * MILLI));
    }

    /// 200 ms are four intervals.
    @Test
    void anIdleGuestKeepsTheCreditOfAShortTime() {
        TxCredit credit = new TxCredit(RATE, 0);
        assertEquals(0, credit.delay(Long.MAX_VALUE / 2));
        credit.use(4 * 62_500 - 1);
        assertEquals(0, credit.delay(Long.MAX_VALUE / 2));
        credit.use(1);
        assertTrue(credit.delay(Long.MAX_VALUE / 2) > 0);
    }

    @Test
    void anIntervalThatIsLongerIsKeptAlone() {
        TxCredit credit = new TxCredit(new TxCredit.Rate(1000, 1_000_000), 0);
        assertEquals(0, credit.delay(Long.MAX_VALUE / 2));
        credit.use(1000);
        assertTrue(credit.delay(Long.MAX_VALUE / 2) > 0);
    }

    /// The thread comes up to 100 ms after the time at which it should.
    @Test
    void aThreadThatComesLateCostsTheGuestNothing() {
        for (TxCredit.Rate rate : new TxCredit.Rate[] {RATE, new TxCredit.Rate(25_000, 20_000)}) {
            TxCredit credit = new TxCredit(rate, 0);
            Random late = new Random(1);
            long sent = 0;
            for (long now = 0; now < 10_000 * MILLI; ) {
                long delay = credit.delay(now);
                if (delay == 0) {
                    credit.use(1514);
                    sent += 1514;
                } else {
                    now += delay + late.nextLong(100 * MILLI);
                }
            }
            double megabits = sent * 8 / 10.0 / 1e6;
            assertTrue(megabits > 9.5 && megabits < 10.5, () -> rate + ": " + megabits);
        }
    }

    /// Over 10 s, whatever the sizes of frames.
    @Test
    void theRateHoldsOverTime() {
        for (int frame : new int[] {60, 1514, 65_000}) {
            TxCredit credit = new TxCredit(RATE, 0);
            long sent = 0;
            for (long now = 0; now < 10_000 * MILLI; ) {
                long delay = credit.delay(now);
                if (delay == 0) {
                    credit.use(frame);
                    sent += frame;
                } else {
                    now += delay;
                }
            }
            double megabits = sent * 8 / 10.0 / 1e6;
            assertTrue(megabits > 8 && megabits < 10.5, frame + " bytes: " + megabits);
        }
    }

    @Test
    void aQueueWithoutCreditLeavesItsFramesInTheRing() {
        try (Arena arena = Arena.ofConfined()) {
            FrontTx front = new FrontTx(arena, new TxCredit.Rate(100, 1000));
            for (int i = 0; i < 3; i++) {
                front.frame(Frames.plain(60));
            }
            front.serve();
            assertEquals(2, front.port.sent.size());
            assertEquals(MILLI, front.queue.delay(0));
            front.queue.work(10, MILLI);
            assertEquals(3, front.port.sent.size());
        }
    }
}
