package io.xenemu.core.hypercall;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.domain.ShutdownLatch;
import io.xenemu.core.domain.ShutdownReason;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.core.vm.FakeVcpu;
import io.xenemu.core.vm.FakeVm;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.ioctl.Gpr;
import io.xenemu.kvm.ioctl.KvmRegs;
import io.xenemu.kvm.ioctl.MpState;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// VCPUOP_initialise, up, down and is_up. Offsets in `struct vcpu_hvm_context` are those of Xen's header, values those
/// of `arch_set_info_hvm_guest`.
final class VcpuPowerCallsTest extends CallingGuest {
    private static final int VCPU_OP = 24;
    private static final int INITIALISE = 0;
    private static final int UP = 1;
    private static final int DOWN = 2;
    private static final int IS_UP = 3;

    private static final int SIZE = 128;
    private static final int MODE = 0;
    private static final int PAD = 4;
    private static final int EIP = 40;
    private static final int CR0 = 48;
    private static final int CS_LIMIT = 92;
    private static final int CS_AR = 112;
    private static final int DS_AR = 114;
    private static final int SS_AR = 116;
    private static final int ES_AR = 118;
    private static final int TR_AR = 120;

    private static final int RIP_64 = 72;
    private static final int CR0_64 = 88;
    private static final int CR4_64 = 104;
    private static final int EFER_64 = 112;

    VcpuPowerCallsTest() throws BootException, XenError {
        super(new TestDomain(3));
    }

    private void clear() throws XenError {
        for (int i = 0; i < SIZE; i += Long.BYTES) {
            memory.write64(ARG + i, 0);
        }
    }

    private void flat() throws XenError {
        clear();
        memory.write32(ARG + EIP, 0x8000);
        memory.write32(ARG + CR0, 0x11);
        for (int i = 0; i < 4; i++) {
            memory.write32(ARG + CS_LIMIT + 4L * i, -1);
        }
        memory.write16(ARG + CS_AR, 0xc9b);
        memory.write16(ARG + DS_AR, 0xc93);
        memory.write16(ARG + SS_AR, 0xc93);
        memory.write16(ARG + ES_AR, 0xc93);
        memory.write16(ARG + TR_AR, 0x8b);
    }

    private void long64() throws XenError {
        clear();
        memory.write32(ARG + MODE, 1);
        memory.write64(ARG + RIP_64, 0xffff_ffff_8100_0000L);
        memory.write64(ARG + CR0_64, 0x8000_0011L);
        memory.write64(ARG + CR4_64, 0x20);
        memory.write64(ARG + EFER_64, 0x100);
    }

    private long initialise(int vcpu) {
        return call(VCPU_OP, INITIALISE, vcpu, ARG);
    }

    @Test
    void argumentIsReadThenTheVcpuIsLookedAtThenTheRegisters() throws XenError {
        assertEquals(-2, call(VCPU_OP, INITIALISE, 3, NOWHERE));
        assertEquals(-14, call(VCPU_OP, INITIALISE, 0, NOWHERE));
        flat();
        memory.write32(ARG + PAD, 1);
        assertEquals(-17, initialise(0));
        assertEquals(-22, initialise(1));
        flat();
        assertEquals(0, initialise(1));
        assertEquals(-17, initialise(1));
        assertEquals(0, call(narrow, VCPU_OP, INITIALISE, 2, ARG));
    }

    @Test
    void initialisedVcpuIsDownUntilItIsPutUp() throws XenError {
        assertEquals(-22, call(VCPU_OP, UP, 1));
        flat();
        assertEquals(0, initialise(1));
        assertEquals(0, call(VCPU_OP, IS_UP, 1));
        assertEquals(0, call(VCPU_OP, UP, 1));
        assertEquals(1, call(VCPU_OP, IS_UP, 1));
        assertEquals(0, call(VCPU_OP, UP, 1));

        assertEquals(0, call(VCPU_OP, DOWN, 1));
        assertEquals(0, call(VCPU_OP, IS_UP, 1));
        assertEquals(1, call(VCPU_OP, IS_UP, 0));
        assertEquals(-2, call(VCPU_OP, DOWN, 3));
        assertNull(guest.domain().shutdownLatch().get());
    }

    @Test
    void domainPowersOffWithItsLastVcpu() throws XenError {
        flat();
        assertEquals(0, initialise(1));
        assertEquals(0, call(VCPU_OP, UP, 1));
        assertEquals(0, call(VCPU_OP, DOWN, 0));
        assertNull(guest.domain().shutdownLatch().get());
        assertEquals(0, call(VCPU_OP, DOWN, 1));
        ShutdownLatch.Outcome end = guest.domain().shutdownLatch().get();
        assertNotNull(end);
        assertEquals(ShutdownReason.POWEROFF, end.reason());
    }

    /// It waits for an interrupt, and goes down before it enters the guest again. No other vCPU is up then.
    @Test
    void haltedVcpuThatIsToGoDownCountsAsDown() throws XenError {
        FakeVcpu halted = ((FakeVm) guest.domain().vm()).vcpu(1);
        flat();
        assertEquals(0, initialise(1));
        assertEquals(0, call(VCPU_OP, UP, 1));
        halted.setRegs(new KvmRegs().set(Gpr.RFLAGS, 1 << 9));
        halted.setMpState(MpState.HALTED);
        assertEquals(1, call(VCPU_OP, IS_UP, 1));

        assertEquals(0, call(VCPU_OP, DOWN, 1));
        assertEquals(0, call(VCPU_OP, IS_UP, 1));
        assertEquals(0, call(VCPU_OP, UP, 1));
        assertEquals(MpState.HALTED, halted.getMpState());
        assertEquals(0, call(VCPU_OP, DOWN, 1));
        assertEquals(0, call(VCPU_OP, DOWN, 0));
        ShutdownLatch.Outcome end = guest.domain().shutdownLatch().get();
        assertNotNull(end);
        assertEquals(ShutdownReason.POWEROFF, end.reason());
    }

    /// Each changes one value of good registers.
    @ParameterizedTest
    @CsvSource({
        // A mode that does not exist, padding.
        "0, 4, 2, -22",
        "60, 4, 1, -22",
        "122, 2, 1, -22",
        "126, 2, 1, -22",
        // Attributes: bits 12 to 15, no code, no segment at all, not present, a system segment.
        "112, 2, 0x1c9b, -22",
        "112, 2, 0xc93, -22",
        "112, 2, 0, -22",
        "112, 2, 0xc1b, -22",
        "112, 2, 0x8b, -22",
        // A segment without the accessed bit is accepted too.
        "112, 2, 0xc9a, 0",
        // DS and ES: none, code that can be read or not, above the privilege of CS.
        "114, 2, 0, 0",
        "114, 2, 0xc9b, 0",
        "114, 2, 0xc99, -22",
        "118, 2, 0xcf3, -22",
        // SS: none, read-only, of another privilege than CS.
        "116, 2, 0, -22",
        "116, 2, 0xc91, -22",
        "116, 2, 0xcf3, -22",
        // TR: none, available (which becomes busy), 16-bit, data.
        "120, 2, 0, -22",
        "120, 2, 0x89, 0",
        "120, 2, 0x83, -22",
        "120, 2, 0xc93, -22",
        // EIP beyond the limit, which counts pages. EFER.LMA without LME, EFER bits that do not
        // exist.
        "92, 4, 7, -22",
        "64, 4, 0x400, -22",
        "64, 4, 0x2, -22",
        "64, 4, 0x800, 0",
    })
    void registersOf32BitModeAreChecked(int offset, int bytes, String value, long expected)
            throws XenError {
        flat();
        write(offset, bytes, Long.decode(value));
        assertEquals(expected, initialise(1));
    }

    private void write(int offset, int bytes, long value) throws XenError {
        switch (bytes) {
            case 2 -> memory.write16(ARG + offset, (int) value);
            case 4 -> memory.write32(ARG + offset, (int) value);
            default -> memory.write64(ARG + offset, value);
        }
    }

    /// Paging, PAE and long mode have to be enabled, and RIP canonical.
    @ParameterizedTest
    @CsvSource({
        "72, 0x800000000000, -22",
        "72, 0x7fffffffffff, 0",
        "88, 0x11, -22",
        "104, 0, -22",
        "112, 0, -22",
        "112, 0x500, 0",
        "112, 0x901, 0",
    })
    void registersOf64BitModeAreChecked(int offset, String value, long expected) throws XenError {
        long64();
        write(offset, 8, Long.decode(value));
        assertEquals(expected, initialise(1));
    }
}
