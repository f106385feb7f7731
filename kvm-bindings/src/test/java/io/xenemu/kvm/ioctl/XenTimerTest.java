package io.xenemu.kvm.ioctl;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.Errno;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Needs a KVM with Xen support: the kernel's one-shot timer and SCHEDOP_poll.
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class XenTimerTest {
    private static final int TIMER_PORT = 13;
    private static final int OTHER_PORT = 14;
    private static final int SET_TIMER_OP = 15;
    private static final int VCPU_OP = 24;
    private static final int SET_SINGLESHOT = 8;
    private static final int STOP_SINGLESHOT = 9;
    private static final int SCHED_OP = 29;
    private static final int POLL = 3;
    private static final int PORTS = XenGuest.ARGUMENT + 0x40;
    private static final long SOON = 20_000_000;

    /// Later than a guest in an emulated machine needs to get into a poll.
    private static final long LATER = 500_000_000;

    private static final long HOUR = 3_600_000_000_000L;

    /// Polls that may find the timer's event dropped, while shared_info is off.
    private static final int POLLS = 100;

    private static XenGuest withTimer() {
        XenGuest guest = XenGuest.listening();
        guest.vcpu().xen().timer(new XenTimer(TIMER_PORT, 0));
        return guest;
    }

    private static long now(XenGuest guest) {
        return guest.vm.getClock().clock();
    }

    private static void preparePoll(XenGuest guest, int port, long timeout) {
        guest.memory.set(JAVA_INT, PORTS, port);
        guest.memory.set(JAVA_LONG, XenGuest.ARGUMENT, PORTS);
        guest.memory.set(JAVA_INT, XenGuest.ARGUMENT + 8, 1);
        guest.memory.set(JAVA_LONG, XenGuest.ARGUMENT + 16, timeout);
    }

    private static long poll(XenGuest guest, int port, long timeout) {
        preparePoll(guest, port, timeout);
        return guest.hypercall(SCHED_OP, POLL, XenGuest.ARGUMENT);
    }

    @Test
    void timerOfTheGuestIsReadBackAndStopped() {
        try (XenGuest guest = withTimer()) {
            long expiry = now(guest) + HOUR;
            assertEquals(0, guest.hypercall(SET_TIMER_OP, expiry));
            assertEquals(new XenTimer(TIMER_PORT, expiry), guest.vcpu().xen().timer());
            assertEquals(0, guest.hypercall(SET_TIMER_OP, 0));
            assertEquals(new XenTimer(TIMER_PORT, 0), guest.vcpu().xen().timer());
        }
    }

    @Test
    void timerOfTheGuestInterruptsAndIsIdleAfterwards() {
        try (XenGuest guest = withTimer()) {
            long expiry = now(guest) + SOON;
            assertEquals(0, guest.hypercall(SET_TIMER_OP, expiry));
            guest.awaitEvent(TIMER_PORT);
            assertTrue(now(guest) >= expiry);
            assertEquals(new XenTimer(TIMER_PORT, 0), guest.vcpu().xen().timer());
        }
    }

    @Test
    void restoredTimerInterrupts() {
        try (XenGuest guest = withTimer()) {
            guest.vcpu().xen().timer(new XenTimer(TIMER_PORT, now(guest) + SOON));
            guest.awaitEvent(TIMER_PORT);
        }
    }

    @Test
    void timerInThePastFiresAtOnce() {
        try (XenGuest guest = withTimer()) {
            guest.vcpu().xen().timer(new XenTimer(TIMER_PORT, Math.max(now(guest) - SOON, 1)));
            assertTrue(guest.isInterrupted());
            assertTrue(guest.takePending(TIMER_PORT));
            assertEquals(0, guest.vcpu().xen().timer().expiresNs());
        }
    }

    @Test
    void singleShotTimerTakesXensVcpuId() {
        try (XenGuest guest = withTimer()) {
            guest.vcpu().xen().vcpuId(5);
            long expiry = now(guest) + HOUR;
            guest.memory.set(JAVA_LONG, XenGuest.ARGUMENT, expiry);
            guest.memory.set(JAVA_INT, XenGuest.ARGUMENT + 8, 0);
            assertEquals(
                    -Errno.EINVAL, guest.hypercall(VCPU_OP, SET_SINGLESHOT, 0, XenGuest.ARGUMENT));
            assertEquals(0, guest.hypercall(VCPU_OP, SET_SINGLESHOT, 5, XenGuest.ARGUMENT));
            assertEquals(expiry, guest.vcpu().xen().timer().expiresNs());
            assertEquals(-Errno.EINVAL, guest.hypercall(VCPU_OP, STOP_SINGLESHOT, 0));
            assertEquals(0, guest.hypercall(VCPU_OP, STOP_SINGLESHOT, 5));
            assertEquals(0, guest.vcpu().xen().timer().expiresNs());
        }
    }

    @Test
    void timerHypercallsWithoutAPortExitToUserSpace() {
        try (XenGuest guest = withTimer()) {
            guest.vcpu().xen().timer(XenTimer.NONE);
            guest.hypercallExit(guest.vcpu(), SET_TIMER_OP, now(guest) + HOUR);
        }
    }

    @Test
    void pollOfAPendingMaskedPortReturnsAtOnce() {
        try (XenGuest guest = withTimer()) {
            guest.mask(OTHER_PORT, true);
            guest.vm.xenEvtchnSend(OTHER_PORT, guest.vcpu().id());
            assertEquals(0, poll(guest, OTHER_PORT, 0));
        }
    }

    @Test
    void pollEndsAfterItsTimeout() {
        try (XenGuest guest = withTimer()) {
            assertEquals(0, poll(guest, OTHER_PORT, SOON));
            assertFalse(guest.isPending(OTHER_PORT));
        }
    }

    @Test
    void timerOnAMaskedPortEndsAPoll() {
        try (XenGuest guest = withTimer()) {
            guest.mask(TIMER_PORT, true);
            assertEquals(0, guest.hypercall(SET_TIMER_OP, now(guest) + SOON));
            assertEquals(0, poll(guest, TIMER_PORT, 0));
            assertTrue(guest.takePending(TIMER_PORT));
            assertFalse(guest.isInterrupted());
        }
    }

    @Test
    void interruptEndsAPollOfAnotherPort() {
        try (XenGuest guest = withTimer()) {
            assertEquals(0, guest.hypercall(SET_TIMER_OP, now(guest) + LATER));
            preparePoll(guest, OTHER_PORT, 4 * LATER);
            guest.prepare(
                    guest.vcpu(), XenGuest.CALL_WITH_INTERRUPTS, SCHED_OP, POLL, XenGuest.ARGUMENT);
            assertEquals(XenGuest.UPCALL, guest.run(guest.vcpu()));
            assertTrue(guest.takePending(TIMER_PORT));
            guest.takeUpcall(guest.vcpu());
            assertEquals(XenGuest.DONE, guest.run(guest.vcpu()));
            assertEquals(0, guest.vcpu().getRegs().get(Gpr.RAX));
            assertFalse(guest.isPending(OTHER_PORT));
        }
    }

    @Test
    void pollOfAPortThatDoesNotExistIsEinval() {
        try (XenGuest guest = withTimer()) {
            assertEquals(-Errno.EINVAL, poll(guest, 4096, 0));
            assertEquals(-Errno.EFAULT, guest.hypercall(SCHED_OP, POLL, 0x8000_0000L));
        }
    }

    /// The timer's event may get lost while shared_info is off, and is then set again; the poll must end each time.
    @Test
    void pollsEndWhileSharedInfoGoesAndComes() throws Exception {
        try (XenGuest guest = withTimer()) {
            XenHvmAttributes xen = guest.vm.xen();
            MemorySegment page = guest.memory.asSlice(XenGuest.SHARED_INFO, XenGuest.PAGE);
            AtomicBoolean stop = new AtomicBoolean();
            FutureTask<Void> toggling =
                    new FutureTask<>(
                            () -> {
                                while (!stop.get()) {
                                    xen.sharedInfoHva(MemorySegment.NULL);
                                    xen.sharedInfoHva(page);
                                }
                            },
                            null);
            Thread.ofPlatform().start(toggling);
            guest.mask(TIMER_PORT, true);
            try {
                for (int i = 0; i < POLLS; i++) {
                    guest.vcpu().xen().timer(new XenTimer(TIMER_PORT, now(guest) + SOON / 20));
                    poll(guest, TIMER_PORT, SOON / 10);
                }
            } finally {
                stop.set(true);
            }
            toggling.get();
            guest.vcpu().xen().timer(new XenTimer(TIMER_PORT, 0));
            guest.takePending(TIMER_PORT);
            guest.mask(TIMER_PORT, false);
            guest.isInterrupted();
            guest.vcpu().xen().timer(new XenTimer(TIMER_PORT, now(guest) + SOON));
            guest.awaitEvent(TIMER_PORT);
        }
    }
}
