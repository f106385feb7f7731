package io.xenemu.kvm.ioctl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.xenemu.kvm.abi.KvmException;
import java.util.List;
import org.junit.jupiter.api.Test;

/// Needs /dev/kvm: a vCPU's state is what was set.
class KvmVcpuTest {
    private static final String HLT = "f4";
    private static final int MSR_STAR = 0xc000_0081;
    private static final int MSR_UNKNOWN = 0x4b4b_4b4b;

    @Test
    void registersAreReadAsTheyWereSet() {
        try (TinyVm t = new TinyVm(HLT)) {
            KvmRegs regs = new KvmRegs();
            for (Gpr r : Gpr.values()) {
                regs.set(r, 0x1111_1111_1111L * (r.name().hashCode() & 0xff));
            }
            regs.set(Gpr.RFLAGS, 2);
            t.vcpu.setRegs(regs);
            KvmRegs back = t.vcpu.getRegs();
            for (Gpr r : Gpr.values()) {
                assertEquals(regs.get(r), back.get(r), r.name());
            }
            assertArrayEquals(regs.toBytes(), KvmRegs.of(regs.toBytes()).toBytes());
            assertThrows(IllegalArgumentException.class, () -> KvmRegs.of(new byte[143]));
        }
    }

    @Test
    void longModeStateComesBack() {
        try (TinyVm t = new TinyVm(HLT)) {
            t.vcpu.setCpuid(t.system.supportedCpuid());
            Segment code =
                    new Segment(0, 0xffff_ffff, 0x10, 11, true, 0, false, true, true, true, false);
            KvmSregs sregs =
                    t.vcpu.getSregs()
                            .cr0(0x8000_0011L)
                            .cr3(0x5000)
                            .cr4(0x20)
                            .efer(0x500)
                            .segment(Segment.Name.CS, code)
                            .gdt(0x6000, 0x1f)
                            .idt(0x7000, 0xfff);
            t.vcpu.setSregs(sregs);
            KvmSregs back = t.vcpu.getSregs();
            assertEquals(0x8000_0011L, back.cr0());
            assertEquals(0x5000, back.cr3());
            assertEquals(0x20, back.cr4());
            assertEquals(0x500, back.efer());
            assertEquals(code, back.segment(Segment.Name.CS));
            assertTrue(back.csLong());
            assertArrayEquals(sregs.toBytes(), back.toBytes());
        }
    }

    @Test
    void msrsComeBackAndARefusedOneIsNamed() {
        try (TinyVm t = new TinyVm(HLT)) {
            MsrEntry star = new MsrEntry(MSR_STAR, 0x0023_0010_0000_0000L);
            t.vcpu.setMsrs(List.of(star));
            assertEquals(List.of(star), t.vcpu.getMsrs(MSR_STAR));
            KvmException e =
                    assertThrows(
                            KvmException.class,
                            () -> t.vcpu.setMsrs(List.of(star, new MsrEntry(MSR_UNKNOWN, 7))));
            assertEquals("KVM_SET_MSRS: EINVAL (22): MSR 0x4b4b4b4b value 0x7", e.getMessage());
        }
    }

    @Test
    void guestSeesTheCpuidThatWasSet() {
        // mov eax, 40000000; cpuid
        try (TinyVm t = new TinyVm("66 b8 00 00 00 40 0f a2" + HLT)) {
            t.vcpu.setCpuid(List.of(new CpuidEntry(0x4000_0000, 0, 0, 0x4000_0005, 1, 2, 3)));
            assertEquals(0, t.vcpu.enter());
            KvmRegs regs = t.vcpu.getRegs();
            assertEquals(0x4000_0005L, regs.get(Gpr.RAX));
            assertEquals(1, regs.get(Gpr.RBX));
            assertEquals(2, regs.get(Gpr.RCX));
            assertEquals(3, regs.get(Gpr.RDX));
        }
    }

    @Test
    void opaqueStateComesBack() {
        try (TinyVm t = new TinyVm(HLT, KvmVm::createIrqchip)) {
            t.vcpu.setCpuid(t.system.supportedCpuid());
            int xsaveSize = t.vm.checkExtension(KvmCapability.XSAVE2);
            byte[] xsave = t.vcpu.getXsave(xsaveSize);
            xsave[0] = 0x7f; // x87 control word
            xsave[1] = 3;
            t.vcpu.setXcrs(t.vcpu.getXcrs());
            t.vcpu.setXsave(xsave, xsaveSize);
            assertArrayEquals(new byte[] {0x7f, 3}, head(t.vcpu.getXsave(xsaveSize)));
            byte[] debug = t.vcpu.getDebugregs();
            debug[8] = 0x33; // DR1
            t.vcpu.setDebugregs(debug);
            assertArrayEquals(debug, t.vcpu.getDebugregs());
            byte[] lapic = t.vcpu.getLapic();
            lapic[0x80] = 0x20; // task priority
            t.vcpu.setLapic(lapic);
            assertEquals(0x20, t.vcpu.getLapic()[0x80]);
            t.vcpu.setFpu(t.vcpu.getFpu());
            t.vcpu.setVcpuEvents(t.vcpu.getVcpuEvents());
            assertThrows(
                    IllegalArgumentException.class,
                    () -> t.vcpu.setXsave(new byte[xsave.length + 1], xsaveSize));
        }
    }

    private static byte[] head(byte[] xsave) {
        return new byte[] {xsave[0], xsave[1]};
    }

    @Test
    void mpStateComesBack() {
        try (TinyVm t = new TinyVm(HLT, KvmVm::createIrqchip)) {
            for (MpState state : List.of(MpState.UNINITIALIZED, MpState.HALTED, MpState.RUNNABLE)) {
                t.vcpu.setMpState(state);
                assertEquals(state, t.vcpu.getMpState());
            }
        }
    }

    @Test
    void nmiIsPendingInTheEvents() {
        try (TinyVm t = new TinyVm(HLT, KvmVm::createIrqchip)) {
            long pending = CTypes.offset(VcpuStructs.KVM_VCPU_EVENTS, "nmi.pending");
            assertEquals(0, t.vcpu.getVcpuEvents()[(int) pending]);
            t.vcpu.nmi();
            assertEquals(1, t.vcpu.getVcpuEvents()[(int) pending]);
        }
    }

    @Test
    void tscOffsetComesBack() {
        try (TinyVm t = new TinyVm(HLT)) {
            assertTrue(t.vcpu.getTscKhz() > 0);
            t.vcpu.setTscKhz(t.vcpu.getTscKhz());
            assumeTrue(t.vcpu.hasTscOffset(), "needs a KVM with KVM_VCPU_TSC_OFFSET");
            t.vcpu.setTscOffset(-123_456_789L);
            assumeTrue(t.vcpu.getTscOffset() != 0, "needs a KVM that takes a TSC offset over");
            assertEquals(-123_456_789L, t.vcpu.getTscOffset());
        }
    }

    @Test
    void translateWithoutPagingIsTheIdentity() {
        try (TinyVm t = new TinyVm(HLT)) {
            assertEquals(new Translation(0x3004, true), t.vcpu.translate(0x3004));
        }
    }

    @Test
    void signalMaskIsSetAndCleared() {
        try (TinyVm t = new TinyVm(HLT)) {
            t.vcpu.setSignalMask(0);
            assertEquals(0, t.vcpu.enter());
            t.vcpu.clearSignalMask();
            assertEquals(ExitReason.HLT, t.vcpu.run().exitReason());
        }
    }

    @Test
    void useAfterCloseFails() {
        TinyVm t = new TinyVm(HLT);
        t.close();
        t.close();
        assertThrows(IllegalStateException.class, t.vcpu::enter);
        assertThrows(IllegalStateException.class, () -> t.vcpu.run().exitReason());
        assertThrows(IllegalStateException.class, t.vm::getClock);
    }
}
