package io.xenemu.core.hypercall;

import static java.util.Objects.requireNonNull;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.domain.ShutdownLatch;
import io.xenemu.core.domain.ShutdownReason;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.core.timer.Watchdogs;
import io.xenemu.kvm.abi.XenError;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// SCHEDOP_watchdog.
@Timeout(60)
final class WatchdogCallsTest extends CallingGuest {
    private static final int WATCHDOG = 6;
    private static final int HOUR = 3600;
    private static final long SOON_MILLIS = 30_000;

    WatchdogCallsTest() throws BootException, XenError {
        super(new TestDomain(1));
    }

    /// A `struct sched_watchdog`, which is the same for all widths.
    private long watchdog(int id, int seconds) throws XenError {
        memory.write32(ARG, id);
        memory.write32(ARG + 4, seconds);
        return call(SCHED_OP, WATCHDOG, ARG);
    }

    private ShutdownLatch.Outcome end() throws InterruptedException {
        return requireNonNull(guest.domain().shutdownLatch().await(SOON_MILLIS));
    }

    @Test
    void twoWatchdogsCanBeTakenAndGivenBack() throws XenError {
        assertEquals(1, watchdog(0, HOUR));
        assertEquals(2, watchdog(0, HOUR));
        assertEquals(-28, watchdog(0, HOUR));

        assertEquals(0, watchdog(1, 0));
        assertEquals(1, watchdog(0, HOUR));
    }

    @Test
    void onlyATakenWatchdogIsSet() throws XenError {
        assertEquals(-22, watchdog(1, HOUR));
        assertEquals(-22, watchdog(2, 0));
        assertEquals(-22, watchdog(3, HOUR));
        assertEquals(-22, watchdog(-1, HOUR));

        assertEquals(1, watchdog(0, HOUR));
        assertEquals(0, watchdog(1, HOUR));
        assertEquals(-22, watchdog(2, HOUR));
    }

    @Test
    void unreadableArgumentIsEfault() {
        assertEquals(-14, call(SCHED_OP, WATCHDOG, NOWHERE));
    }

    @Test
    void expiredWatchdogEndsTheDomain() throws XenError, InterruptedException {
        assertEquals(1, watchdog(0, 1));

        assertEquals(ShutdownReason.WATCHDOG, end().reason());
    }

    /// As on Xen, the watchdog has expired when the domain is resumed, and does nothing.
    @Test
    void watchdogDoesNotEndASuspendedDomain() throws XenError, InterruptedException {
        guest.domain().suspension().suspend(guest.domain().vcpus().getFirst());
        assertEquals(1, watchdog(0, 0));

        assertNull(guest.domain().shutdownLatch().await(200));
        guest.domain().suspension().cancel();
        assertEquals(2, watchdog(0, 0));
        assertEquals(ShutdownReason.WATCHDOG, end().reason());
    }

    @Test
    void watchdogTakenForNoTimeExpiresAtOnce() throws XenError, InterruptedException {
        assertEquals(1, watchdog(0, 0));

        assertEquals(ShutdownReason.WATCHDOG, end().reason());
    }

    @Test
    void laterTimeReplacesTheFormer() throws XenError, InterruptedException {
        assertEquals(1, watchdog(0, 1));
        assertEquals(0, watchdog(1, HOUR));
        assertEquals(2, watchdog(0, 1));
        assertEquals(0, watchdog(2, 0));
        // All 32 bits count: this is no time in the past.
        assertEquals(2, watchdog(0, -1));

        assertNull(guest.domain().shutdownLatch().await(1500));
    }

    /// The guest cannot set it while it is saved, so it has its whole time afterwards.
    @Test
    void watchdogStandsStillWhileTheDomainIsSaved() throws Exception {
        assertEquals(1, watchdog(0, 1));
        guest.domain().parts().quiesceAndSave();
        assertNull(guest.domain().shutdownLatch().await(1500));
        guest.domain().parts().resume();

        assertEquals(ShutdownReason.WATCHDOG, end().reason());
    }

    @Test
    void takenWatchdogsAreThoseOfTheSavedDomain() throws XenError {
        assertEquals(1, watchdog(0, HOUR));
        assertEquals(2, watchdog(0, 2 * HOUR));
        assertEquals(0, watchdog(1, 0));
        Watchdogs.State saved = guest.domain().watchdogs().save();
        assertEquals(List.of(0L, 2L * HOUR), saved.seconds());

        guest.domain().watchdogs().restore(Watchdogs.State.NONE);
        assertEquals(0, guest.domain().watchdogs().taken());
        guest.domain().watchdogs().restore(saved);
        assertEquals(0, watchdog(2, HOUR));
        assertEquals(1, watchdog(0, HOUR));
    }
}
