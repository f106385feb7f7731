package io.xenemu.kvm.hang;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class HangWatchTest {
    private static final String PROPERTY = "[engine:jqwik]/[class:Foo]/[property:bar]";
    private static final String TEST = "[engine:junit-jupiter]/[class:Foo]/[method:bar()]";
    private static final Duration SOFT = Duration.ofSeconds(10);
    private static final Duration HARD = Duration.ofSeconds(30);

    private final ByteArrayOutputStream printed = new ByteArrayOutputStream();
    private final AtomicLong now = new AtomicLong();
    private final AtomicInteger kills = new AtomicInteger();
    private final AtomicInteger ends = new AtomicInteger();
    private final HangWatch watch =
            new HangWatch(
                    new PrintStream(printed, true, UTF_8),
                    now::get,
                    kills::incrementAndGet,
                    ends::incrementAndGet);

    @BeforeEach
    void setLimits() {
        watch.begin(SOFT, HARD);
    }

    @AfterEach
    void leaveNoInterrupt() {
        Thread.interrupted();
    }

    @Test
    void aPropertyIsInterruptedAfterTheTimeOutOfTests() {
        watch.began(PROPERTY);
        lookAfter(SOFT.minusNanos(1));
        assertFalse(Thread.interrupted());

        lookAfter(Duration.ofNanos(1));

        assertTrue(Thread.interrupted());
        assertTrue(text().contains("TIMEOUT: " + PROPERTY + " took longer than 10 s"), text());
        assertTrue(text().contains("HangWatchTest.aPropertyIsInterrupted"), "all threads");
    }

    @Test
    void aPropertyThatTakesTheInterruptAndGoesOnIsInterruptedAgain() {
        watch.began(PROPERTY);
        lookAfter(SOFT);
        Thread.interrupted();

        lookAfter(Duration.ofSeconds(1));

        assertTrue(Thread.interrupted());
        assertEquals(1, text().split("TIMEOUT", -1).length - 1, "it is told of once");
    }

    @Test
    void anInterruptDoesNotReachTheNextTest() {
        watch.began(PROPERTY);
        lookAfter(SOFT);

        watch.ended(PROPERTY);

        assertFalse(Thread.interrupted());
    }

    @Test
    void aTestOfJupiterIsLeftToItsOwnTimeOut() {
        watch.began(TEST);
        lookAfter(HARD.minusNanos(1));

        assertFalse(Thread.interrupted());
        assertEquals("", text());
    }

    @Test
    void aTestThatDoesNotEndLosesItsChildProcessesFirst() {
        watch.began(TEST);
        lookAfter(HARD);
        lookAfter(Duration.ofSeconds(1));

        assertEquals(1, kills.get());
        assertEquals(0, ends.get());
        assertTrue(text().contains("HANG: " + TEST + " took longer than 30 s"), text());
        watch.ended(TEST);
        lookAfter(HangWatch.GRACE);
        assertEquals(0, ends.get());
    }

    @Test
    void aTestThatDoesNotEndAtAllEndsTheJvmWithItsName() {
        watch.began(TEST);
        lookAfter(HARD);
        lookAfter(HangWatch.GRACE);

        assertEquals(1, ends.get());
        assertTrue(text().contains("HANG: " + TEST + " took longer than 45 s"), text());
    }

    @Test
    void manyShortTestsMayTakeLongTogether() {
        for (int i = 0; i < 10; i++) {
            watch.began(TEST);
            lookAfter(SOFT);
            watch.ended(TEST);
            lookAfter(SOFT);
        }

        assertEquals(0, ends.get());
    }

    @Test
    void aHangAfterATestIsReportedWithTheTestsName() {
        watch.began(TEST);
        watch.ended(TEST);
        lookAfter(HARD.plus(HangWatch.GRACE));

        assertEquals(1, ends.get());
        assertTrue(text().contains("HANG: what follows " + TEST), text());
    }

    private void lookAfter(Duration time) {
        now.addAndGet(time.toNanos());
        watch.look();
    }

    private String text() {
        return printed.toString(UTF_8);
    }
}
