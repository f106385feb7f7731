package io.xenemu.kvm.ioctl;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Needs a KVM with Xen support: what it writes into a guest's memory of the time, and of how a vCPU spends it.
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class XenTimeAreasTest {
    private static final int RUNNING = 0;
    private static final int RUNNABLE = 1;
    private static final int BLOCKED = 2;
    private static final int OFFLINE = 3;
    private static final int STATES = 4;

    /// A page boundary of guest memory, with room on both sides.
    private static final int BOUNDARY = XenGuest.SCRATCH + XenGuest.PAGE;

    /// Bytes before the boundary where an area begins that crosses it.
    private static final int CROSSING = 15;

    private static final int SIZE_64 = 48;
    private static final int SIZE_32 = 44;
    private static final byte UNTOUCHED = (byte) 0xa5;
    private static final int GUARD = 8;
    private static final long DELAY = 50_000;

    private static final long DELAY_LIMIT = Duration.ofSeconds(60).toNanos();
    private static final long SECOND = 1_000_000_000;
    private static final int WALL_CLOCK = XenGuest.SHARED_INFO + 0xc00;
    private static final int TIME = XenGuest.VCPU_INFO + 32;
    private static final int SECOND_TIME = XenGuest.SCRATCH + 0x100;

    private static XenGuest withRunstate() {
        XenGuest guest = XenGuest.listening();
        guest.vm.xen().runstateUpdateFlag(true);
        assertTrue(guest.vm.xen().runstateUpdateFlag());
        guest.vcpu().xen().runstateAddr(BOUNDARY - CROSSING);
        // What an entry time of 0 is followed by counts as offline.
        assertEquals(0, guest.hypercall(29, 0));
        return guest;
    }

    /// The runstate that the guest sees, in the 64-bit layout.
    private static Runstate seen(XenGuest guest, long at) {
        long[] times = new long[STATES];
        for (int i = 0; i < STATES; i++) {
            times[i] = guest.memory.get(JAVA_LONG_UNALIGNED, at + 16 + 8L * i);
        }
        long entry = guest.memory.get(JAVA_LONG_UNALIGNED, at + 8);
        Runstate runstate =
                new Runstate(
                        guest.memory.get(JAVA_LONG_UNALIGNED, at) & 0xffff_ffffL,
                        entry,
                        times[RUNNING],
                        times[RUNNABLE],
                        times[BLOCKED],
                        times[OFFLINE]);
        assertEquals(entry, sum(runstate), "the times add up");
        return runstate;
    }

    private static Runstate seen(XenGuest guest) {
        return seen(guest, BOUNDARY - CROSSING);
    }

    private static long sum(Runstate r) {
        return r.timeRunning() + r.timeRunnable() + r.timeBlocked() + r.timeOffline();
    }

    private static long time(Runstate r, int state) {
        return switch (state) {
            case RUNNING -> r.timeRunning();
            case RUNNABLE -> r.timeRunnable();
            case BLOCKED -> r.timeBlocked();
            default -> r.timeOffline();
        };
    }

    @Test
    void runstateThatIsSetCountsTimeUntilTheGuestRuns() {
        try (XenGuest guest = withRunstate()) {
            for (int state : new int[] {RUNNABLE, BLOCKED, OFFLINE}) {
                long before = time(seen(guest), state);
                guest.vcpu().xen().runstateCurrent(state);
                assertEquals(state, guest.vcpu().xen().runstateCurrent());
                assertEquals(0, guest.hypercall(29, 0));
                assertTrue(time(seen(guest), state) > before, "state " + state);
                assertEquals(RUNNING, guest.vcpu().xen().runstateCurrent());
            }
        }
    }

    @Test
    void adjustmentIsExact() {
        try (XenGuest guest = withRunstate()) {
            Runstate now = guest.vcpu().xen().runstateData();
            long blocked = 0x5a - now.timeBlocked();
            long offline = 0x6b6b - now.timeOffline();
            guest.vcpu()
                    .xen()
                    .runstateAdjust(
                            new Runstate(
                                    Runstate.UNCHANGED,
                                    0,
                                    -blocked - offline,
                                    0,
                                    blocked,
                                    offline));
            assertEquals(0x5a, seen(guest).timeBlocked());
            assertEquals(0x6b6b, seen(guest).timeOffline());
        }
    }

    @Test
    void dataReplacesAllTimesAndShowsWhenTheGuestRuns() {
        try (XenGuest guest = withRunstate()) {
            Runstate now = guest.vcpu().xen().runstateData();
            long entry = now.stateEntryTime();
            guest.vcpu()
                    .xen()
                    .runstateData(
                            new Runstate(RUNNING, entry, entry - 0x5a - 0x6b6b, 0, 0x6b6b, 0x5a));
            assertEquals(0, guest.hypercall(29, 0));
            Runstate data = guest.vcpu().xen().runstateData();
            assertEquals(0x6b6b, data.timeBlocked());
            assertEquals(0x5a, data.timeOffline());
            guest.vcpu().xen().runstateAddr(BOUNDARY - CROSSING);
            assertEquals(0x6b6b, seen(guest).timeBlocked());
            assertEquals(0x5a, seen(guest).timeOffline());
        }
    }

    /// The kernel counts what the scheduler counts for the vCPU's thread: time for which it could have run.
    @Test
    void timeThatTheThreadWaitsForACpuIsRunnable() throws IOException, InterruptedException {
        try (XenGuest guest = withRunstate()) {
            long before = seen(guest).timeRunnable();
            AtomicBoolean stop = new AtomicBoolean();
            Thread[] rivals = new Thread[Runtime.getRuntime().availableProcessors()];
            for (int i = 0; i < rivals.length; i++) {
                rivals[i] = Thread.ofPlatform().start(() -> spin(stop));
            }
            long start = runDelay();
            try {
                awaitDelay(start);
            } finally {
                stop.set(true);
            }
            for (Thread rival : rivals) {
                rival.join();
            }
            assertEquals(0, guest.hypercall(29, 0));
            assertTrue(seen(guest).timeRunnable() - before >= DELAY);
        }
    }

    /// Spins, and does not sleep: a thread that sleeps does not wait for a CPU.
    private static void awaitDelay(long start) throws IOException {
        long deadline = System.nanoTime() + DELAY_LIMIT;
        while (runDelay() - start < DELAY) {
            assertTrue(System.nanoTime() < deadline, "the thread always had a CPU");
            Thread.onSpinWait();
        }
    }

    private static void spin(AtomicBoolean stop) {
        while (!stop.get()) {
            Thread.onSpinWait();
        }
    }

    /// The second number of schedstat: nanoseconds for which the thread has waited for a CPU.
    private static long runDelay() throws IOException {
        return Long.parseLong(
                Files.readString(Path.of("/proc/thread-self/schedstat")).split(" ", -1)[1]);
    }

    @Test
    void runstateMayLieAcrossAPageBoundaryInBothLayouts() {
        try (XenGuest guest = XenGuest.wide()) {
            XenVcpuAttributes xen = guest.vcpu().xen();
            for (int at = BOUNDARY - SIZE_64 - 4; at < BOUNDARY + 4; at++) {
                guest.vm.xen().longMode(false);
                guest.memory.asSlice(XenGuest.SCRATCH, 2 * XenGuest.PAGE).fill(UNTOUCHED);
                xen.runstateAddr(at);
                Runstate data = xen.runstateData();
                assertEquals(data.stateEntryTime(), word(guest, at + 4), "entry at " + at);
                for (int state = 0; state < STATES; state++) {
                    long seen = word(guest, at + 12 + 8 * state);
                    assertEquals(time(data, state), seen, "state " + state + " at " + at);
                }
                assertUntouched(guest, at, SIZE_32);

                guest.vm.xen().longMode(true);
                xen.runstateAdjust(new Runstate(Runstate.UNCHANGED, 0, 0, 0, 0, 0));
                assertEquals(xen.runstateData(), seen(guest, at), "at " + at);
                assertUntouched(guest, at, SIZE_64);
            }
        }
    }

    private static long word(XenGuest guest, int at) {
        return guest.memory.get(JAVA_LONG_UNALIGNED, at);
    }

    private static void assertUntouched(XenGuest guest, int at, int size) {
        for (int i = 1; i <= GUARD; i++) {
            assertEquals(UNTOUCHED, guest.memory.get(JAVA_BYTE, at - i), "before " + at);
            assertEquals(UNTOUCHED, guest.memory.get(JAVA_BYTE, at + size + i - 1), "after " + at);
        }
    }

    @Test
    void wallClockIsWhenTheClockStarted() {
        try (XenGuest guest = XenGuest.listening()) {
            assertStable(guest, WALL_CLOCK);
            long seconds =
                    Integer.toUnsignedLong(guest.memory.get(JAVA_INT, WALL_CLOCK + 4))
                            | (long) guest.memory.get(JAVA_INT, WALL_CLOCK + 12) << 32;
            long start = seconds * SECOND + guest.memory.get(JAVA_INT, WALL_CLOCK + 8);
            ClockData clock = guest.vm.getClock();
            long realtime =
                    (clock.flags() & ClockData.REALTIME) != 0
                            ? clock.realtime()
                            : TimeUnit.MILLISECONDS.toNanos(System.currentTimeMillis());
            assertTrue(Math.abs(realtime - clock.clock() - start) < SECOND, "start " + start);
        }
    }

    @Test
    void bothTimeAreasAreFilledOnEntry() {
        try (XenGuest guest = XenGuest.listening()) {
            guest.vcpu().xen().vcpuTimeInfo(SECOND_TIME);
            assertEquals(0, guest.hypercall(29, 0));
            assertStable(guest, TIME);
            assertStable(guest, SECOND_TIME);
        }
    }

    /// A version that is odd says that the rest is being written.
    private static void assertStable(XenGuest guest, int version) {
        int value = guest.memory.get(JAVA_INT, version);
        assertNotEquals(0, value);
        assertEquals(0, value & 1);
    }
}
