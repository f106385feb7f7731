package io.xenemu.core.hypercall;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.domain.EventChannelConfig;
import io.xenemu.core.domain.ShutdownLatch;
import io.xenemu.core.domain.ShutdownReason;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.core.vm.FakeVm;
import io.xenemu.kvm.abi.XenError;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// A guest's questions to Xen about itself, and small reports to Xen.
final class QueryCallsTest extends CallingGuest {
    private static final int MEMORY_OP = 12;
    private static final int XEN_VERSION = 17;
    private static final int VCPU_OP = 24;
    private static final int HVM_OP = 34;
    private static final int ADD_TO_PHYSMAP = 7;
    private static final int MEMORY_MAP = 9;
    private static final int SET_MEMORY_MAP = 13;
    private static final int MAXIMUM_GPFN = 14;
    private static final int GET_MEM_TYPE = 15;
    private static final long ENTRIES = ARG + 0x2000;

    /// Above 4 GiB, where nothing is.
    private static final long FAR = 0x123_4567;

    QueryCallsTest() throws BootException, XenError {
        super(new TestDomain(new FakeVm(), 2));
    }

    private void addGrantFrame(long gfn) throws XenError {
        memory.fill(ARG, 24, (byte) 0);
        memory.write16(ARG, SELF);
        memory.write32(ARG + 4, 1);
        memory.write64(ARG + 16, gfn);
        assertEquals(0, call(MEMORY_OP, ADD_TO_PHYSMAP, ARG));
    }

    private long highestGfn() throws XenError {
        memory.write16(ARG, SELF);
        return call(MEMORY_OP, MAXIMUM_GPFN, ARG);
    }

    @Test
    void highestFrameIsThatOfTheHighestPageEver() throws XenError {
        // The special pages end below 0xff00000.
        assertEquals(0xf_efff, highestGfn());
        addGrantFrame(FAR);
        assertEquals(FAR, highestGfn());
        addGrantFrame(0x100);
        assertEquals(FAR, highestGfn());
        assertTrue(call(MEMORY_OP, 2) > 0, "the host's");
    }

    @ParameterizedTest
    @CsvSource({"0x100, 0", "0xfefff, 0", "0xc0000, 2", "0xfee00, 2", "0x1234567, 2", "-1, 2"})
    void memTypeDistinguishesMemoryFromHoles(String gfn, int expected) throws XenError {
        memory.write16(ARG, SELF);
        memory.write16(ARG + 2, 0x77);
        memory.write64(ARG + 8, Long.decode(gfn));
        assertEquals(0, call(HVM_OP, GET_MEM_TYPE, ARG));
        assertEquals(expected, memory.read16(ARG + 2));
        assertEquals(0, call(narrow, HVM_OP, GET_MEM_TYPE, ARG));
    }

    @Test
    void memoryMapIsTheOneThatTheGuestHasSet() throws XenError {
        memory.fill(ENTRIES, 40, (byte) 0);
        memory.write64(ENTRIES + 20, 0x1_0000_0000L);
        memory.write64(ENTRIES + 28, -1);
        memory.write32(ENTRIES + 36, 77);
        memory.fill(ARG, 24, (byte) 0);
        memory.write16(ARG, SELF);
        memory.write32(ARG + 8, 2);
        memory.write64(ARG + 16, ENTRIES);
        assertEquals(0, call(MEMORY_OP, SET_MEMORY_MAP, ARG));
        memory.fill(ENTRIES, 60, (byte) 0x55);

        memory.write32(ARG, 10);
        memory.write64(ARG + 8, ENTRIES);
        assertEquals(0, call(MEMORY_OP, MEMORY_MAP, ARG));
        assertEquals(2, memory.read32(ARG));
        assertEquals(0x1_0000_0000L, memory.read64(ENTRIES + 20));
        assertEquals(-1, memory.read64(ENTRIES + 28));
        assertEquals(77, memory.read32(ENTRIES + 36));
        assertEquals(0x5555_5555, memory.read32(ENTRIES + 40));
        assertEquals(
                List.of("memory map: it has set its own memory map"),
                guest.domain().parts().blockers());

        memory.fill(ARG, 24, (byte) 0);
        memory.write16(ARG, TestDomain.ID.value());
        assertEquals(0, call(MEMORY_OP, SET_MEMORY_MAP, ARG));
        memory.write32(ARG, 10);
        assertEquals(-38, call(MEMORY_OP, MEMORY_MAP, ARG), "none");
    }

    @Test
    void reservedDeviceMemoryMapIsEmpty() throws XenError {
        for (HypercallContext caller : new HypercallContext[] {wide, narrow}) {
            memory.write32(ARG, 1);
            memory.write32(ARG + 4, 7);
            assertEquals(0, call(caller, MEMORY_OP, 27, ARG));
            assertEquals(0, memory.read32(ARG + 4));
        }
    }

    @Test
    void timeIsTheSystemTime() throws XenError {
        long before = guest.domain().vm().clock();
        assertEquals(0, call(HVM_OP, 10, ARG));
        long told = memory.read64(ARG);
        assertTrue(before <= told && told <= guest.domain().vm().clock());
    }

    @Test
    void flushAndNmiReachTheVcpus() {
        FakeVm vm = assertInstanceOf(FakeVm.class, guest.domain().vm());
        assertEquals(0, call(HVM_OP, 5, 0));
        assertEquals(2, vm.calls("flushTlb").size());
        assertEquals(0, call(VCPU_OP, 11, 1, 0));
        assertEquals(0, call(narrow, VCPU_OP, 11, 0, 0));
        assertEquals(2, vm.calls("nmi").size());
    }

    @Test
    void textsOfAnyLengthExistFrom420On() throws BootException, XenError {
        try (TestDomain newer = TestDomain.ofXen(EventChannelConfig.DEFAULT, 4, 20)) {
            HypercallDispatcher d = newer.dispatcher();
            HypercallContext c = newer.caller(0, true);
            assertEquals(61, call(d, c, XEN_VERSION, 12, 0));
            assertEquals(-14, call(d, c, XEN_VERSION, 12, NOWHERE));
            newer.memory().write32(ARG, 60);
            assertEquals(-105, call(d, c, XEN_VERSION, 12, ARG));
            newer.memory().write32(ARG, 61);
            newer.memory().write8(ARG + 4 + 61, 0x77);
            assertEquals(61, call(d, c, XEN_VERSION, 12, ARG));
            assertEquals('x', newer.memory().read8(ARG + 4));
            assertEquals(0x77, newer.memory().read8(ARG + 4 + 61), "without a NUL");
            assertEquals(-1, call(d, c, XEN_VERSION, 14, NOWHERE));
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {4 << 16 | 21, 4 << 16 | 18, 4 << 16 | 16})
    void toolstackFindsTheVersionsOfTheRelease(int version) throws BootException, XenError {
        int sysctl = version == (4 << 16 | 21) ? 0x16 : version == (4 << 16 | 18) ? 0x15 : 0x14;
        int domctl = version == (4 << 16 | 21) ? 0x17 : version == (4 << 16 | 18) ? 0x16 : 0x14;
        try (TestDomain other =
                TestDomain.ofXen(EventChannelConfig.DEFAULT, version >> 16, version & 0xffff)) {
            for (int probed = 0x10; probed < 0x20; probed++) {
                other.memory().write32(ARG + 4, probed);
                other.memory().write32(ARG, 3);
                other.memory().write16(ARG + 8, 1);
                HypercallContext c = other.caller(0, false);
                assertEquals(probed == sysctl ? -1 : -13, call(other.dispatcher(), c, 35, ARG));
                assertEquals(probed == domctl ? -1 : -13, call(other.dispatcher(), c, 36, ARG));
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        "4, 0, WATCHDOG",
        "0x103, 1, CRASH",
        "0x42, 0, OTHER",
    })
    void announcedReasonIsTheOneThatCounts(String announced, int said, ShutdownReason expected)
            throws XenError {
        memory.write32(ARG, Integer.decode(announced));
        assertEquals(0, call(SCHED_OP, 5, ARG));
        memory.write32(ARG, 2);
        assertEquals(0, call(SCHED_OP, 5, ARG), "a second one changes nothing");
        memory.write32(ARG, said);
        assertEquals(0, call(SCHED_OP, 2, ARG));
        ShutdownLatch.Outcome outcome = guest.domain().shutdownLatch().get();
        assertNotNull(outcome);
        assertEquals(expected, outcome.reason());
    }

    @Test
    void announcedReasonDoesNotReplaceAnOperatorsStop() throws XenError {
        memory.write32(ARG, 1);
        assertEquals(0, call(SCHED_OP, 5, ARG));
        guest.domain().shutdown(ShutdownReason.DESTROYED, "");
        ShutdownLatch.Outcome outcome = guest.domain().shutdownLatch().get();
        assertNotNull(outcome);
        assertEquals(ShutdownReason.DESTROYED, outcome.reason());
    }
}
