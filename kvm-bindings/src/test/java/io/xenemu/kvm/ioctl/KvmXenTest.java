package io.xenemu.kvm.ioctl;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.memory.EventFd;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;
import java.util.EnumSet;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;

/// Needs a KVM with Xen support, such as the lab's: every Xen ioctl and attribute against a real kernel.
class KvmXenTest {
    private static final String HLT = "f4";
    private static final int MSR = 0x4000_0000;
    private static final VcpuId VCPU0 = new VcpuId(0);

    /// A page of the tiny VM for shared_info, and places in it; see Xen's public/xen.h, 64-bit layout.
    private static final int SHARED_INFO = 0x4000;

    private static final int EVTCHN_PENDING = SHARED_INFO + 0x800;
    private static final int EVTCHN_MASK = SHARED_INFO + 0xa00;

    /// A vcpu_info of its own, and places in it.
    private static final int VCPU_INFO = 0x5040;

    private static final int EVTCHN_PENDING_SEL = VCPU_INFO + 8;

    private static TinyVm xen(String code) {
        TinyVm.assumeKvm();
        EnumSet<XenCapability> known;
        try (KvmSystem system = KvmSystem.open(KvmSystem.DEVICE)) {
            known = system.xenCapabilities();
        }
        assumeTrue(
                known.equals(EnumSet.allOf(XenCapability.class)),
                "needs a KVM with all Xen capabilities, this one has " + known);
        return new TinyVm(
                code,
                vm -> {
                    vm.createIrqchip();
                    vm.xenHvmConfig(
                            EnumSet.of(XenCapability.INTERCEPT_HCALL, XenCapability.EVTCHN_SEND),
                            MSR);
                    vm.xen().longMode(true);
                });
    }

    private static TinyVm xenWithSharedInfo(String code) {
        TinyVm t = xen(code);
        t.vm.xen().sharedInfoHva(t.memory.asSlice(SHARED_INFO, 0x1000));
        t.vcpu.xen().vcpuInfo(VCPU_INFO);
        return t;
    }

    private static int errno(Executable executable) {
        return assertThrows(KvmException.class, executable).errno();
    }

    @Test
    void vmAttributesComeBack() {
        try (TinyVm t = xen(HLT)) {
            XenHvmAttributes xen = t.vm.xen();
            assertTrue(xen.longMode());
            xen.longMode(false);
            assertFalse(xen.longMode());
            assertEquals(XenHvmAttributes.INVALID_GFN, xen.sharedInfoGfn());
            xen.sharedInfoGfn(SHARED_INFO >> 12);
            assertEquals(SHARED_INFO >> 12, xen.sharedInfoGfn());
            xen.sharedInfoGfn(XenHvmAttributes.INVALID_GFN);
            assertEquals(XenHvmAttributes.INVALID_GFN, xen.sharedInfoGfn());
            MemorySegment page = t.memory.asSlice(SHARED_INFO, 0x1000);
            xen.sharedInfoHva(page);
            assertEquals(page.address(), xen.sharedInfoHva());
            xen.sharedInfoHva(MemorySegment.NULL);
            assertEquals(0, xen.sharedInfoHva());
            xen.upcallVector(0xf3);
            assertEquals(0xf3, xen.upcallVector());
            assertEquals(Errno.EINVAL, errno(() -> xen.upcallVector(15)));
            xen.xenVersion(4 << 16 | 19);
            assertEquals(4 << 16 | 19, xen.xenVersion());
            xen.runstateUpdateFlag(true);
            assertTrue(xen.runstateUpdateFlag());
        }
    }

    @Test
    void vcpuAttributesComeBack() {
        try (TinyVm t = xenWithSharedInfo(HLT)) {
            XenVcpuAttributes xen = t.vcpu.xen();
            assertEquals(VCPU_INFO, xen.vcpuInfo());
            MemorySegment info = t.memory.asSlice(SHARED_INFO, 64);
            xen.vcpuInfoHva(info);
            assertEquals(info.address(), xen.vcpuInfoHva());
            xen.vcpuTimeInfo(0x6000);
            assertEquals(0x6000, xen.vcpuTimeInfo());
            assertEquals(Errno.ENOENT, errno(xen::runstateAddr));
            xen.runstateAddr(0x6100);
            assertEquals(0x6100, xen.runstateAddr());
            xen.vcpuId(7);
            assertEquals(7, xen.vcpuId());
            xen.upcallVector(0xf4);
            assertEquals(0xf4, xen.upcallVector());
            assertEquals(XenTimer.NONE, xen.timer());
            XenTimer later = new XenTimer(13, t.vm.getClock().clock() + 3_600_000_000_000L);
            xen.timer(later);
            assertEquals(later, xen.timer());
            xen.timer(XenTimer.NONE);
            assertEquals(XenTimer.NONE, xen.timer());
        }
    }

    @Test
    void runstateIsSetAndAdjusted() {
        try (TinyVm t = xenWithSharedInfo(HLT)) {
            XenVcpuAttributes xen = t.vcpu.xen();
            xen.runstateAddr(0x6100);
            xen.runstateData(new Runstate(0, 0x60, 0x10, 0x20, 0x30, 0));
            Runstate set = xen.runstateData();
            assertEquals(0x30, set.timeBlocked());
            xen.runstateAdjust(new Runstate(Runstate.UNCHANGED, 5, 0, 0, 2, 3));
            Runstate adjusted = xen.runstateData();
            assertEquals(0x32, adjusted.timeBlocked());
            assertEquals(3, adjusted.timeOffline());
            xen.runstateCurrent(2);
            assertEquals(2, xen.runstateCurrent());
            assertEquals(
                    Errno.EINVAL, errno(() -> xen.runstateData(new Runstate(0, 1, 0, 0, 0, 0))));
        }
    }

    @Test
    void outboundPortsFollowTheKernelsRules() {
        try (TinyVm t = xen(HLT);
                EventFd fd = EventFd.create()) {
            XenHvmAttributes xen = t.vm.xen();
            xen.assignIpi(20, VCPU0);
            assertEquals(Errno.EEXIST, errno(() -> xen.assignIpi(20, VCPU0)));
            xen.updateIpi(20, new VcpuId(1));
            assertEquals(Errno.ENOENT, errno(() -> xen.updateIpi(21, VCPU0)));
            xen.assignLoopback(22, 15, VCPU0);
            xen.updateLoopback(22, 15, new VcpuId(1));
            assertEquals(Errno.EINVAL, errno(() -> xen.updateLoopback(22, 16, VCPU0)));
            xen.assignEventfd(23, fd.fd());
            xen.deassign(23);
            assertEquals(Errno.ENOENT, errno(() -> xen.deassign(23)));
            assertEquals(Errno.EINVAL, errno(() -> xen.assignIpi(4096, VCPU0)));
            xen.resetEvtchns();
            xen.assignIpi(20, VCPU0);
        }
    }

    @Test
    void sendSetsPendingAndSelector() {
        try (TinyVm t = xenWithSharedInfo(HLT)) {
            t.vm.xenEvtchnSend(70, VCPU0);
            assertEquals(1L << 6, t.memory.get(JAVA_LONG, EVTCHN_PENDING + 8));
            assertEquals(1L << 1, t.memory.get(JAVA_LONG, EVTCHN_PENDING_SEL));
            assertEquals(1, t.memory.get(JAVA_BYTE, VCPU_INFO));
            assertEquals(Errno.EINVAL, errno(() -> t.vm.xenEvtchnSend(4096, VCPU0)));
        }
    }

    @Test
    void sendOnMaskedPortSetsPendingOnly() {
        try (TinyVm t = xenWithSharedInfo(HLT)) {
            t.memory.set(JAVA_LONG, EVTCHN_MASK, 1L << 9);
            t.vm.xenEvtchnSend(9, VCPU0);
            assertEquals(1L << 9, t.memory.get(JAVA_LONG, EVTCHN_PENDING));
            assertEquals(0, t.memory.get(JAVA_LONG, EVTCHN_PENDING_SEL));
        }
    }

    @Test
    @Timeout(60)
    void irqfdOnARoutedGsiRaisesThePort() {
        try (TinyVm t = xenWithSharedInfo(HLT);
                EventFd fd = EventFd.create()) {
            t.vm.events().setGsiRouting(List.of(new GsiRoute.XenEvtchn(32, 15, VCPU0)));
            t.vm.events().assignIrqfd(fd.fd(), 32);
            fd.signal();
            VarHandle pending = JAVA_LONG.varHandle();
            TinyVm.await(
                    () -> (long) pending.getVolatile(t.memory, (long) EVTCHN_PENDING) == 1L << 15);
            assertEquals(0, fd.drain());
        }
    }

    @Test
    void hypercallExitsWithItsArgumentsAndTakesItsResult() {
        // mov eax, 22; mov ebx, 1; mov ecx, 2; mov edx, 3; mov esi, 4; mov edi, 5; mov ebp, 6;
        // hypercall; out 10, eax
        String load =
                "66b822000000 66bb01000000 66b902000000 66ba03000000 66be04000000 66bf05000000"
                        + "66bd06000000";
        try (TinyVm t = xen(HLT)) {
            t.load(load + hypercall(t.system) + "66 e7 10" + HLT);
            KvmRun run = t.vcpu.run();
            assertEquals(0, t.vcpu.enter());
            assertEquals(ExitReason.XEN, run.exitReason());
            assertEquals(KvmRun.XEN_HCALL, run.xenType());
            assertFalse(run.xenLongMode());
            assertEquals(0, run.xenCpl());
            assertEquals(0x22, run.xenInput());
            for (int i = 0; i < 6; i++) {
                assertEquals(i + 1, run.xenParam(i));
            }
            run.xenResult(-38);
            assertEquals(0, t.vcpu.enter());
            assertEquals(-38, run.ioData(0));
        }
    }

    /// VMMCALL or VMCALL, by the processor's vendor.
    private static String hypercall(KvmSystem system) {
        int ebx = system.supportedCpuid().stream().findFirst().orElseThrow().ebx();
        return ebx == 0x756e_6547 ? "0f01c1" : "0f01d9";
    }

    @Test
    void withoutXenSupportTheFirstCallSaysSo() {
        TinyVm.assumeKvm();
        try (KvmSystem system = KvmSystem.open(KvmSystem.DEVICE);
                KvmVm vm = system.createVm()) {
            assumeTrue(system.xenCapabilities().isEmpty(), "needs a KVM without Xen capabilities");
            KvmException e =
                    assertThrows(
                            KvmException.class,
                            () -> vm.xenHvmConfig(EnumSet.of(XenCapability.INTERCEPT_HCALL), MSR));
            assertEquals("KVM_XEN_HVM_CONFIG", e.call());
        }
    }
}
