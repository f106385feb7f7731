package io.xenemu.kvm.ioctl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.memory.EventFd;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;

/// Needs /dev/kvm: the ioctls of the system and of a VM.
class KvmVmTest {
    private static final String HLT = "f4";

    /// All pages but that of the code, which KVM may take for written when it maps it.
    private static final long NOT_CODE = ~(1L << (TinyVm.CODE >> 12));

    /// Offset of the interrupt request register in a PIC's saved state, `struct kvm_pic_state`.
    private static final int PIC_IRR = 1;

    private static int errno(String call, Executable executable) {
        KvmException e = assertThrows(KvmException.class, executable);
        assertEquals(call, e.call());
        return e.errno();
    }

    @Test
    void missingDeviceIsExplainedWithARemedy() {
        KvmException e =
                assertThrows(
                        KvmException.class, () -> KvmSystem.open(Path.of("/dev/no-kvm")).close());
        assertEquals(
                "open: ENOENT (2): /dev/no-kvm: no KVM here; load kvm-intel or kvm-amd, and"
                        + " enable virtualization",
                e.getMessage());
    }

    @Test
    void fileThatIsNotKvmIsRefused() {
        assertEquals(
                Errno.ENOTTY,
                errno("KVM_GET_API_VERSION", () -> KvmSystem.open(Path.of("/dev/null")).close()));
    }

    @Test
    void systemReportsItsCapabilities() {
        TinyVm.assumeKvm();
        try (KvmSystem system = KvmSystem.open(KvmSystem.DEVICE)) {
            assertEquals(12, system.apiVersion());
            assertTrue(system.vcpuMmapSize() >= RunStructs.KVM_RUN.byteSize());
            assertTrue(system.checkExtension(KvmCapability.IMMEDIATE_EXIT) > 0);
            assertTrue((system.checkExtension(KvmCapability.SYNC_REGS) & 3) == 3);
            assertTrue(system.msrIndexList().length > 10);
            List<CpuidEntry> cpuid = system.supportedCpuid();
            assertTrue(cpuid.stream().anyMatch(e -> e.function() == 1 && e.eax() != 0));
            assertEquals(
                    system.xenCapabilities(),
                    XenCapability.decode(system.checkExtension(KvmCapability.XEN_HVM)));
        }
    }

    @Test
    void overlappingSlotNamesCallAndErrno() {
        try (TinyVm t = new TinyVm(HLT)) {
            KvmException e =
                    assertThrows(KvmException.class, () -> t.vm.setMemoryRegion(1, 0, 0, t.memory));
            assertEquals("KVM_SET_USER_MEMORY_REGION: EEXIST (17)", e.getMessage());
            t.vm.deleteMemoryRegion(TinyVm.SLOT);
            t.vm.setMemoryRegion(1, 0, 0, t.memory);
            assertEquals(0, t.vcpu.enter());
        }
    }

    @Test
    void dirtyLogShowsThePageThatWasWritten() {
        // mov byte [3000], 1
        try (TinyVm t = new TinyVm("c6 06 00 30 01" + HLT);
                Arena arena = Arena.ofConfined()) {
            MemorySegment bitmap = arena.allocate(8, 8);
            t.vm.setMemoryRegion(TinyVm.SLOT, KvmVm.MEM_LOG_DIRTY_PAGES, 0, t.memory);
            t.vm.getDirtyLog(TinyVm.SLOT, bitmap);
            assertEquals(0, t.vcpu.enter());
            t.vm.getDirtyLog(TinyVm.SLOT, bitmap);
            assertEquals(1L << 3, bitmap.get(ValueLayout.JAVA_LONG, 0) & NOT_CODE);
            t.vm.getDirtyLog(TinyVm.SLOT, bitmap);
            assertEquals(0, bitmap.get(ValueLayout.JAVA_LONG, 0));
        }
    }

    @Test
    void dirtyLogUnderManualProtectionIsClearedOnlyOnRequest() {
        try (TinyVm t = new TinyVm("c6 06 00 30 01" + HLT);
                Arena arena = Arena.ofConfined()) {
            MemorySegment bitmap = arena.allocate(8, 8);
            t.vm.enableCap(KvmCapability.MANUAL_DIRTY_LOG_PROTECT2, 1);
            t.vm.setMemoryRegion(TinyVm.SLOT, KvmVm.MEM_LOG_DIRTY_PAGES, 0, t.memory);
            assertEquals(0, t.vcpu.enter());
            t.vm.getDirtyLog(TinyVm.SLOT, bitmap);
            t.vm.getDirtyLog(TinyVm.SLOT, bitmap);
            assertEquals(1L << 3, bitmap.get(ValueLayout.JAVA_LONG, 0) & NOT_CODE);
            t.vm.clearDirtyLog(TinyVm.SLOT, 0, 16, bitmap);
            t.vm.getDirtyLog(TinyVm.SLOT, bitmap);
            assertEquals(0, bitmap.get(ValueLayout.JAVA_LONG, 0));
        }
    }

    @Test
    void raisedLineIsPendingInThePic() {
        try (TinyVm t = new TinyVm(HLT, KvmVm::createIrqchip)) {
            assertEquals(0, t.vm.getIrqchip(IrqchipId.PIC_MASTER)[PIC_IRR] & 0x10);
            t.vm.irqLine(4, true);
            assertEquals(0x10, t.vm.getIrqchip(IrqchipId.PIC_MASTER)[PIC_IRR] & 0x10);
            t.vm.irqLine(4, false);
        }
    }

    @Test
    void irqchipStateIsRestored() {
        byte[] pic;
        byte[] ioapic;
        try (TinyVm t = new TinyVm(HLT, KvmVm::createIrqchip)) {
            t.vm.irqLine(4, true);
            pic = t.vm.getIrqchip(IrqchipId.PIC_MASTER);
            ioapic = t.vm.getIrqchip(IrqchipId.IOAPIC);
        }
        try (TinyVm t = new TinyVm(HLT, KvmVm::createIrqchip)) {
            t.vm.setIrqchip(IrqchipId.PIC_MASTER, pic);
            t.vm.setIrqchip(IrqchipId.IOAPIC, ioapic);
            assertArrayEquals(pic, t.vm.getIrqchip(IrqchipId.PIC_MASTER));
            assertThrows(
                    IllegalArgumentException.class,
                    () -> t.vm.setIrqchip(IrqchipId.PIC_MASTER, new byte[511]));
        }
    }

    @Test
    @Timeout(60)
    void irqfdRaisesItsInterruptUntilDeassigned() {
        try (TinyVm t = new TinyVm(HLT, KvmVm::createIrqchip);
                EventFd fd = EventFd.create()) {
            t.vm.events().assignIrqfd(fd.fd(), 4);
            assertEquals(
                    Errno.EBUSY, errno("KVM_IRQFD", () -> t.vm.events().assignIrqfd(fd.fd(), 5)));
            fd.signal();
            TinyVm.await(() -> (t.vm.getIrqchip(IrqchipId.PIC_MASTER)[PIC_IRR] & 0x10) != 0);
            t.vm.events().deassignIrqfd(fd.fd(), 4);
            fd.signal();
            assertEquals(1, fd.drain());
            t.vm.events().assignIrqfd(fd.fd(), 5);
        }
    }

    @Test
    void resampleNeedsTheWholeIrqchipInTheKernel() {
        try (EventFd fd = EventFd.create();
                EventFd resample = EventFd.create()) {
            try (TinyVm t = new TinyVm(HLT, KvmVm::createIrqchip)) {
                t.vm.events().assignResampleIrqfd(fd.fd(), 5, resample.fd());
                t.vm.events().deassignIrqfd(fd.fd(), 5);
            }
            try (TinyVm t = new TinyVm(HLT, vm -> vm.splitIrqchip(24))) {
                assertEquals(
                        Errno.EINVAL,
                        errno(
                                "KVM_IRQFD",
                                () ->
                                        t.vm.events()
                                                .assignResampleIrqfd(fd.fd(), 5, resample.fd())));
            }
        }
    }

    @Test
    void writeThatAnIoeventfdMatchesCausesNoExit() {
        // mov al, 1; out 10, al; mov al, 2; out 10, al
        try (TinyVm t = new TinyVm("b0 01 e6 10 b0 02 e6 10" + HLT);
                EventFd fd = EventFd.create()) {
            IoEvent one = new IoEvent(true, 0x10, 1, OptionalLong.of(1));
            t.vm.events().assignIoeventfd(fd.fd(), one);
            assertEquals(0, t.vcpu.enter());
            assertEquals(1, fd.drain());
            assertEquals(2, t.vcpu.run().ioData(0));
            t.vm.events().deassignIoeventfd(fd.fd(), one);
            assertEquals(
                    Errno.ENOENT,
                    errno("KVM_IOEVENTFD", () -> t.vm.events().deassignIoeventfd(fd.fd(), one)));
        }
    }

    @Test
    void gsiRoutingReplacesTheTable() {
        try (TinyVm t = new TinyVm(HLT, KvmVm::createIrqchip)) {
            List<GsiRoute> routes = new ArrayList<>();
            for (int pin = 0; pin < 24; pin++) {
                routes.add(new GsiRoute.Irqchip(pin, IrqchipId.IOAPIC, pin));
            }
            routes.add(new GsiRoute.Msi(24, 0xfee0_0000L, 0x30));
            t.vm.events().setGsiRouting(routes);
            // Without its route to the PIC, line 4 no longer reaches it.
            t.vm.irqLine(4, true);
            assertEquals(0, t.vm.getIrqchip(IrqchipId.PIC_MASTER)[PIC_IRR] & 0x10);
            routes.add(new GsiRoute.Msi(24, 0xfee0_0000L, 0x31));
            assertEquals(
                    Errno.EINVAL,
                    errno("KVM_SET_GSI_ROUTING", () -> t.vm.events().setGsiRouting(routes)));
        }
    }

    @Test
    void msiReachesAnEnabledLocalApicOnly() {
        int irr = 0x200;
        int vector = 0x41;
        try (TinyVm t = new TinyVm(HLT, KvmVm::createIrqchip)) {
            byte[] lapic = t.vcpu.getLapic();
            lapic[0xf1] |= 1; // spurious vector register, APIC enabled
            t.vcpu.setLapic(lapic);
            assertTrue(t.vm.signalMsi(0xfee0_0000L, vector));
            byte pending = t.vcpu.getLapic()[irr + (vector / 32) * 16 + (vector % 32) / 8];
            assertEquals(1 << (vector % 8), pending);
            assertFalse(t.vm.signalMsi(0xfee0_0000L | 9L << 12, vector));
        }
    }

    /// A guest can do that to itself; KVM then finds nobody, and says EPERM.
    @Test
    void msiToAnIdThatNoLocalApicHasAnyMoreIsNotDelivered() {
        try (TinyVm t = new TinyVm(HLT, KvmVm::createIrqchip);
                KvmVcpu second = t.vm.createVcpu(new VcpuId(1))) {
            byte[] lapic = t.vcpu.getLapic();
            lapic[0xf1] |= 1; // spurious vector register, APIC enabled
            t.vcpu.setLapic(lapic);
            assertEquals(0, lapic[0x23]); // the id
            second.setLapic(lapic);
            assertFalse(t.vm.signalMsi(0xfee0_0000L | 1L << 12, 0x41));
        }
    }

    @Test
    void pitIsRestored() {
        byte[] pit;
        try (TinyVm t = new TinyVm(HLT, KvmVm::createIrqchip)) {
            t.vm.createPit2(KvmVm.PIT_SPEAKER_DUMMY);
            pit = t.vm.getPit2();
            t.vm.setPit2(pit);
            assertEquals(pit.length, t.vm.getPit2().length);
        }
        assertTrue(pit.length > 0);
    }

    @Test
    void clockGoesOnFromWhereItWasSet() {
        try (TinyVm t = new TinyVm(HLT)) {
            long start = 1_000_000_000_000_000L;
            t.vm.setClock(new ClockData(start, 0, 0, 0));
            ClockData now = t.vm.getClock();
            assertTrue(now.clock() >= start, now.toString());
        }
    }

    @Test
    void identityMapAddressHasToComeBeforeTheVcpus() {
        try (TinyVm t = new TinyVm(HLT, vm -> vm.setIdentityMapAddr(0xfffb_c000L))) {
            assertEquals(
                    Errno.EINVAL,
                    errno(
                            "KVM_SET_IDENTITY_MAP_ADDR",
                            () -> t.vm.setIdentityMapAddr(0xfffb_c000L)));
            assertEquals(
                    Errno.EEXIST,
                    errno("KVM_CREATE_VCPU", () -> t.vm.createVcpu(new VcpuId(0)).close()));
        }
    }
}
