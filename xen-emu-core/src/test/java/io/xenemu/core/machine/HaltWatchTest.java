package io.xenemu.core.machine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.domain.RunningGuest;
import io.xenemu.core.domain.ShutdownLatch;
import io.xenemu.core.domain.ShutdownReason;
import io.xenemu.kvm.abi.XenError;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Guests that halt. Needs /dev/kvm, since they run.
@Timeout(60)
final class HaltWatchTest {
    private static final int CLI = 0xfa;
    private static final int STI = 0xfb;
    private static final int HLT = 0xf4;
    private static final int JMP_BACK = 0xeb;
    private static final int TO_ITSELF = 0xfe;

    private static final int LOOKS = 20;
    private static final long BETWEEN_MILLIS = 20;

    @Test
    void guestThatHasHaltedForEverIsPoweredOff()
            throws BootException, XenError, InterruptedException {
        ShutdownLatch.@Nullable Outcome outcome = watch(1, CLI, HLT);
        assertNotNull(outcome);
        assertEquals(ShutdownReason.POWEROFF, outcome.reason());
        assertEquals(
                "all vCPUs have halted with interrupts disabled, the first at rip 0x8002",
                outcome.message());
    }

    @Test
    void vcpusThatWereNeverStartedDoNotKeepItAlive()
            throws BootException, XenError, InterruptedException {
        assertNotNull(watch(3, CLI, HLT));
    }

    @Test
    void guestThatWaitsForAnInterruptGoesOn() throws BootException, XenError, InterruptedException {
        assertNull(watch(1, STI, HLT));
    }

    @Test
    void guestThatRunsCodeGoesOn() throws BootException, XenError, InterruptedException {
        assertNull(watch(1, CLI, JMP_BACK, TO_ITSELF));
    }

    @Test
    void pausedGuestIsLeftAlone() throws BootException, XenError, InterruptedException {
        try (RunningGuest guest = new RunningGuest(1, CLI, HLT)) {
            guest.domain().start();
            guest.domain().pause();
            assertNull(look(guest));
            guest.domain().unpause();
        }
    }

    private static ShutdownLatch.@Nullable Outcome watch(int vcpus, int... code)
            throws BootException, XenError, InterruptedException {
        try (RunningGuest guest = new RunningGuest(vcpus, code)) {
            guest.domain().start();
            return look(guest);
        }
    }

    private static ShutdownLatch.@Nullable Outcome look(RunningGuest guest)
            throws InterruptedException {
        HaltWatch watch = new HaltWatch(guest.domain());
        ShutdownLatch.@Nullable Outcome outcome = null;
        for (int i = 0; i < LOOKS && outcome == null; i++) {
            outcome = guest.domain().shutdownLatch().await(BETWEEN_MILLIS);
            watch.look();
        }
        return guest.domain().shutdownLatch().get();
    }
}
