package io.xenemu.core.hypercall;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.domain.HvmParams;
import io.xenemu.core.domain.ShutdownLatch;
import io.xenemu.core.domain.ShutdownReason;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.kvm.abi.XenError;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Calls with which an HVM guest asks, sets and reports: version, parameters, shutdown, assists.
final class HvmCallsTest extends CallingGuest {
    private static final int XEN_VERSION = 17;
    private static final int CONSOLE_IO = 18;
    private static final int VM_ASSIST = 21;
    private static final int HVM_OP = 34;

    HvmCallsTest() throws BootException, XenError {
        super(new TestDomain(2));
    }

    @Test
    void featuresAreThoseOfAnHvmDomain() throws XenError {
        memory.write32(ARG, 0);
        assertEquals(0, call(XEN_VERSION, 6, ARG));
        assertEquals(0x192305, memory.read32(ARG + 4));

        memory.write32(ARG, 1);
        assertEquals(-22, call(XEN_VERSION, 6, ARG));
    }

    @Test
    void versionIsTheConfiguredOne() {
        assertEquals(0x0004_0013, call(XEN_VERSION, 0));
        assertEquals(4096, call(XEN_VERSION, 7, 0));
        assertEquals(-22, call(XEN_VERSION, 7, ARG));
        assertEquals(-1, call(XEN_VERSION, 10, ARG));
    }

    @Test
    void handleHasTheUuidsBytesInOrder() throws XenError {
        assertEquals(0, call(XEN_VERSION, 8, ARG));

        assertEquals(0x01, memory.read8(ARG));
        assertEquals(0xef, memory.read8(ARG + 7));
        assertEquals(0x10, memory.read8(ARG + 15));
    }

    @Test
    void parametersAreReadAndWritten() throws XenError {
        guest.domain().params().set(HvmParams.CONSOLE_PFN, 0xf_efff);
        memory.write16(ARG, SELF);
        memory.write32(ARG + 4, HvmParams.CONSOLE_PFN);

        assertEquals(0, call(HVM_OP, 1, ARG));
        assertEquals(0xf_efff, memory.read64(ARG + 8));
        assertEquals(-1, call(HVM_OP, 0, ARG));

        memory.write32(ARG + 4, -1);
        assertEquals(-22, call(HVM_OP, 1, ARG));
        memory.write32(ARG + 4, HvmParams.CONSOLE_PFN);
        memory.write16(ARG, 9);
        assertEquals(-3, call(HVM_OP, 1, ARG));
    }

    @Test
    void upperBitsOfAnOperationCountInHvmOpAlone() throws XenError {
        memory.write16(ARG, SELF);
        memory.write32(ARG + 4, HvmParams.CONSOLE_PFN);

        assertEquals(-38, call(HVM_OP, 1L << 32 | 1, ARG));
        assertEquals(0, call(XEN_VERSION, 1L << 32 | 9, ARG));
    }

    @Test
    void impossibleTaskStateCrashesTheDomain() throws XenError {
        memory.write16(ARG, SELF);
        memory.write32(ARG + 4, HvmParams.VM86_TSS_SIZED);
        memory.write64(ARG + 8, 0);

        assertEquals(-22, call(HVM_OP, 0, ARG));

        ShutdownLatch.Outcome outcome = guest.domain().shutdownLatch().get();
        assertNotNull(outcome);
        assertEquals(ShutdownReason.CRASH, outcome.reason());
    }

    @ParameterizedTest
    @CsvSource({"0, 0xf, -22", "2, 0x40, -2", "-1, 0x40, -2"})
    void upcallVectorNeedsAVcpuAndAVector(int vcpu, String vector, long expected) throws XenError {
        memory.write32(ARG, vcpu);
        memory.write8(ARG + 4, Integer.decode(vector));

        assertEquals(expected, call(HVM_OP, 23, ARG));
    }

    @ParameterizedTest
    @CsvSource({
        "0, POWEROFF",
        "1, REBOOT",
        "3, CRASH",
        "6, OTHER",
        "255, OTHER",
        "-1, OTHER",
        // Eight bits count.
        "256, POWEROFF",
        "-253, CRASH"
    })
    void everyReasonStopsTheDomain(int code, ShutdownReason expected) throws XenError {
        memory.write32(ARG, code);

        assertEquals(0, call(SCHED_OP, 2, ARG));

        ShutdownLatch.Outcome outcome = guest.domain().shutdownLatch().get();
        assertNotNull(outcome);
        assertEquals(expected, outcome.reason());
    }

    @ParameterizedTest
    @ValueSource(longs = {0, 1, 2, -1})
    void xensConsoleIsRefusedToGuests(long command) {
        assertEquals(-1, call(CONSOLE_IO, command, 5, ARG));
    }

    @Test
    void onlyTheAssistOfHvmDomainsIsAccepted() {
        assertEquals(0, call(VM_ASSIST, 0, 5));
        assertEquals(-22, call(VM_ASSIST, 0, 4));
        assertEquals(-38, call(VM_ASSIST, 2, 5));
        assertEquals(-22, call(VM_ASSIST, 2, 4));
    }
}
