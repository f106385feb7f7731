package io.xenemu.core.machine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.domain.KvmDomain;
import io.xenemu.core.domain.RunningGuest;
import io.xenemu.core.domain.ShutdownLatch;
import io.xenemu.core.domain.ShutdownReason;
import io.xenemu.kvm.abi.XenError;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// The report of a guest that ended by a triple fault. Needs a KVM that runs a guest in all modes, as those with Xen
/// do.
@Timeout(60)
final class TripleFaultXenTest {
    private static final long MILLIS = 30_000;

    /// int3, without a gate for it or for any other exception.
    private static final int[] FAULT = {0xcc};

    @Test
    void exitBeforeATripleFaultIsReported() throws BootException, XenError, InterruptedException {
        // mov al, 'x'; out 0xe9, al
        String message = run(0xb0, 'x', 0xe6, 0xe9);
        assertTrue(message.startsWith("dom1-vcpu0: triple fault"), message);
        // The address of the instruction, or the one after it.
        assertTrue(
                message.matches(
                        ".*; exit 1 before it was IO at port 0xe9 at rip 0x800[24], rsp 0x0, cr0 0x11, .*"),
                message);
    }

    @Test
    void guestThatNeverExitedIsReportedAsThat()
            throws BootException, XenError, InterruptedException {
        String message = run();
        assertTrue(message.contains("it had not left the guest before"), message);
    }

    private static String run(int... code) throws BootException, XenError, InterruptedException {
        int[] all = new int[code.length + FAULT.length];
        System.arraycopy(code, 0, all, 0, code.length);
        System.arraycopy(FAULT, 0, all, code.length, FAULT.length);
        KvmDomain.assumeXen();
        try (RunningGuest guest = new RunningGuest(1, all)) {
            guest.domain().start();
            ShutdownLatch.Outcome outcome = guest.domain().shutdownLatch().await(MILLIS);
            assertNotNull(outcome);
            assertEquals(ShutdownReason.TRIPLE_FAULT, outcome.reason(), outcome.message());
            return outcome.message();
        }
    }
}
