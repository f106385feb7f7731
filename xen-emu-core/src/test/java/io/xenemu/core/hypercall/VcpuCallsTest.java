package io.xenemu.core.hypercall;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.domain.EventChannelConfig;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.core.timer.VcpuTimer;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.GuestMemory;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Answers of vcpu_op that come before KVM's Xen attributes are needed.
final class VcpuCallsTest {
    private static final int VCPU_OP = 24;
    private static final int REGISTER_RUNSTATE = 5;
    private static final int SET_PERIODIC = 6;
    private static final int STOP_PERIODIC = 7;
    private static final int SET_SINGLESHOT = 8;
    private static final int STOP_SINGLESHOT = 9;
    private static final int REGISTER_INFO = 10;
    private static final int REGISTER_TIME = 13;
    private static final int UNKNOWN = 99;

    private static final long MILLISECOND = 1_000_000;
    private static final long ARG = TestDomain.ARGUMENT;

    /// Beyond the page tables, and beyond memory.
    private static final long NOWHERE = 0x4000_0000;

    private static final long BEYOND_MEMORY = 0xc_0000;

    private final TestDomain guest = TestDomain.ofXen(EventChannelConfig.DEFAULT, 4, 19);
    private final GuestMemory memory = guest.memory();

    VcpuCallsTest() throws BootException, XenError {}

    @AfterEach
    void close() {
        guest.close();
    }

    private static long call(TestDomain domain, int caller, long... parameters) {
        return CallingGuest.call(
                domain.dispatcher(), domain.caller(caller, true), VCPU_OP, parameters);
    }

    private long call(long... parameters) {
        return call(guest, 0, parameters);
    }

    @Test
    void vcpuIsLookedForBeforeTheOperation() {
        assertEquals(-2, call(UNKNOWN, 2));
        assertEquals(-2, call(UNKNOWN, 0xffff_ffffL));
        assertEquals(-38, call(UNKNOWN, 1));
    }

    /// Linux and FreeBSD stop the timers of all vCPUs from one vCPU, and cannot go on if that is refused.
    @Test
    void periodicTimersOfOtherVcpusAreSetAndStopped() throws XenError {
        memory.write64(ARG, 10 * MILLISECOND);
        assertEquals(0, call(SET_PERIODIC, 1, ARG));
        assertEquals(new VcpuTimer.State(0, 10 * MILLISECOND), suspend(1));
        assertEquals(new VcpuTimer.State(0, 0), suspend(0));

        assertEquals(0, call(SET_PERIODIC, 1, ARG));
        assertEquals(0, call(STOP_PERIODIC, 1));
        assertEquals(new VcpuTimer.State(0, 0), suspend(1));

        assertEquals(0, call(STOP_PERIODIC, 0));
        assertEquals(-2, call(STOP_PERIODIC, 2));
    }

    private VcpuTimer.State suspend(int vcpu) {
        return guest.domain().vcpus().get(vcpu).timer().suspend();
    }

    @ParameterizedTest
    @CsvSource({"999999, -22", "1000000, 0", "4611686018427387903, 0", "4611686018427387904, -22"})
    void shortestPeriodIsAMillisecond(long period, long expected) throws XenError {
        memory.write64(ARG, period);

        assertEquals(expected, call(SET_PERIODIC, 0, ARG));
    }

    @Test
    void oneShotTimersAreTheVcpusOwn() throws XenError {
        memory.write64(ARG, 0);
        memory.write32(ARG + 8, 0);

        assertEquals(0, call(SET_SINGLESHOT, 0, ARG));
        assertEquals(-22, call(SET_SINGLESHOT, 1, ARG));
        assertEquals(-14, call(SET_SINGLESHOT, 0, NOWHERE));
        assertEquals(0, call(STOP_SINGLESHOT, 0));
        assertEquals(-22, call(STOP_SINGLESHOT, 1));
    }

    @Test
    void deadlineThatPassedBeforeTheBindIsLost() throws XenError {
        memory.write64(ARG, 1);
        memory.write32(ARG + 8, 0);

        assertEquals(0, call(SET_SINGLESHOT, 0, ARG));
        assertEquals(new VcpuTimer.State(0, 0), suspend(0));
    }

    @ParameterizedTest
    @CsvSource({"4, 17, 1, -62", "4, 17, 0, 0", "4, 18, 1, 0"})
    void futureFlagRefusesAPastDeadlineBefore418(int major, int minor, int flags, long expected)
            throws BootException, XenError {
        try (TestDomain domain = TestDomain.ofXen(EventChannelConfig.DEFAULT, major, minor)) {
            domain.memory().write64(ARG, 1);
            domain.memory().write32(ARG + 8, flags);
            assertEquals(expected, call(domain, 0, SET_SINGLESHOT, 0, ARG));

            domain.memory().write64(ARG, Long.MAX_VALUE);
            assertEquals(0, call(domain, 0, SET_SINGLESHOT, 0, ARG));
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {REGISTER_RUNSTATE, REGISTER_TIME})
    void areaAddressMayBeUnmapped(int operation) throws XenError {
        memory.write64(ARG, 0);
        assertEquals(0, call(operation, 0, ARG));
        assertEquals(0, call(operation, 1, ARG));
        memory.write64(ARG, NOWHERE);
        assertEquals(0, call(operation, 0, ARG));
        memory.write64(ARG, Long.MIN_VALUE);
        assertEquals(0, call(operation, 0, ARG));

        assertEquals(-14, call(operation, 0, NOWHERE));
        assertEquals(-2, call(operation, 2, ARG));
    }

    /// The frame is beyond memory, so a call that passes the other checks fails for that reason.
    @ParameterizedTest
    @CsvSource({
        "4, 19, 4096, -22",
        "4, 19, 4095, -6",
        "4, 19, 4040, -6",
        "4, 19, 4032, -22",
        "4, 19, 1, -6",
        // A 64-bit domain's `unsigned long` has eight bytes.
        "4, 19, 4, -6",
        "4, 19, 8, -22",
        "4, 17, 4096, -6",
        "4, 17, 4, -6",
        "4, 17, 8, -22"
    })
    void vcpuInfoMustBeInOnePage(int major, int minor, int offset, long expected)
            throws BootException, XenError {
        try (TestDomain domain = TestDomain.ofXen(EventChannelConfig.DEFAULT, major, minor)) {
            writeInfo(domain, BEYOND_MEMORY, offset);

            assertEquals(expected, call(domain, 0, REGISTER_INFO, 0, ARG));
        }
    }

    @Test
    void vcpuInfoOfAnotherVcpuThatIsUpIsRefusedBefore418() throws BootException, XenError {
        try (TestDomain domain = TestDomain.ofXen(EventChannelConfig.DEFAULT, 4, 17)) {
            writeInfo(domain, 0x100, 0);

            assertEquals(-22, call(domain, 1, REGISTER_INFO, 0, ARG));
        }
    }

    private static void writeInfo(TestDomain domain, long gfn, int offset) throws XenError {
        domain.memory().write64(ARG, gfn);
        domain.memory().write32(ARG + 8, offset);
    }
}
