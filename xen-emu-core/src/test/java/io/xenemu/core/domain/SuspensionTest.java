package io.xenemu.core.domain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.device.PortBus;
import io.xenemu.core.device.PortDevice;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.kvm.testing.Eventually;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Needs /dev/kvm for a guest that runs. A write to an I/O port stands for its hypercall.
@Timeout(60)
final class SuspensionTest {
    private static final int PORT = 0x80;
    private static final long RESULT = 0x9000;

    /// mov al, 7; out 80, al; mov [9000], eax; jmp to itself
    private static final int[] SUSPEND = {
        0xb0, 7, 0xe6, PORT, 0xa3, 0x00, 0x90, 0x00, 0x00, 0xeb, 0xfe
    };

    private final CompletableFuture<Domain> domain = new CompletableFuture<>();

    private final class SuspendPort implements PortDevice {
        @Override
        public int read(int port) {
            return 0;
        }

        @Override
        public void write(int port, int value) {
            Vcpu caller = domain.join().vcpus().getFirst();
            domain.join().suspension().suspend(caller);
        }
    }

    private RunningGuest guest() throws BootException, XenError {
        PortBus bus = new PortBus(List.of(new PortBus.Range(PORT, PORT, new SuspendPort())));
        RunningGuest guest = new RunningGuest(bus, 2, SUSPEND);
        domain.complete(guest.domain());
        return guest;
    }

    @Test
    void cancelledSuspendReturnsOneToTheGuest() throws Exception {
        try (RunningGuest guest = guest()) {
            GuestMemory memory = guest.domain().memory().guest();
            Suspension suspension = guest.domain().suspension();
            assertThrows(IllegalStateException.class, suspension::cancel);
            guest.domain().start();
            Eventually.holds("it suspends", suspension::isSuspended);
            guest.domain().pause();
            assertEquals(0, memory.read32(RESULT));

            suspension.cancel();
            assertFalse(suspension.isSuspended());
            assertTrue(guest.domain().isHeld());
            assertEquals(0, memory.read32(RESULT));
            assertTrue(guest.domain().unpause());

            Eventually.holds("its result is 1", () -> memory.read32(RESULT) == 1);
        }
    }

    @Test
    void suspendedDomainCanBeEnded() throws Exception {
        try (RunningGuest guest = guest()) {
            guest.domain().start();
            Eventually.holds("it suspends", guest.domain().suspension()::isSuspended);
            guest.domain().stop(ShutdownReason.DESTROYED);
        }
    }
}
