package io.xenemu.kvm.ioctl;

import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.Errno;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Needs a KVM with Xen support: what leaves to user space for a hypercall, and how it is completed.
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class XenHypercallTest {
    private static final int XEN_VERSION_CALL = 17;
    private static final int VERSION = 4 << 16 | 19;
    private static final long RESULT = 0xcafe_f00d_fbfb_ffffL;
    private static final long[] ARGUMENTS = {
        0x1122_3344_5566_7788L, 2, 0xffff_ffff_ffff_fff3L, 4, 0x8000_0000_0000_0005L, 6
    };

    private static final int PAGE_GPA = 0x2_1000;
    private static final int STUB_BYTES = 32;

    /// Where a stub returns to: out 10, al.
    private static final int RETURN = XenGuest.CALL + 3;

    private static final long HYPERV_GUEST_OS_ID = 0x4000_0000L;
    private static final long HYPERV_HYPERCALL = 0x4000_0001L;
    private static final int SIGNAL_EVENT = 0x5d;
    private static final int INVALID_ALIGNMENT = 4;
    private static final int HV_INTERFACE = 0x3123_7648;
    private static final int HV_HYPERCALL_MSRS = 1 << 5;

    private static void assertExitShows(KvmRun run, boolean longMode, int cpl, long... arguments) {
        assertEquals(KvmRun.XEN_HCALL, run.xenType());
        assertEquals(longMode, run.xenLongMode());
        assertEquals(cpl, run.xenCpl());
        assertEquals(XEN_VERSION_CALL, run.xenInput());
        for (int i = 0; i < arguments.length; i++) {
            assertEquals(arguments[i], run.xenParam(i), "argument " + i);
        }
    }

    @Test
    void hypercallShowsItsSixArgumentsAndTakesAllOfItsResult() {
        try (XenGuest guest = XenGuest.wide()) {
            KvmRun run = guest.hypercallExit(guest.vcpu(), XEN_VERSION_CALL, ARGUMENTS);
            assertExitShows(run, true, 0, ARGUMENTS);
            assertEquals(XenGuest.CALL, guest.vcpu().getRegs().get(Gpr.RIP));
            run.xenResult(RESULT);
            assertEquals(XenGuest.DONE, guest.run(guest.vcpu()));
            assertEquals(RESULT, guest.vcpu().getRegs().get(Gpr.RAX));
        }
    }

    @Test
    void hypercallPageLeadsToTheSameExit() {
        try (XenGuest guest = XenGuest.wide()) {
            writeMsr(guest, XenGuest.HYPERCALL_MSR, PAGE_GPA);
            jumpTo(guest, PAGE_GPA + XEN_VERSION_CALL * STUB_BYTES, new KvmRegs());
            assertEquals(ExitReason.XEN, guest.runToExit(guest.vcpu()));
            assertExitShows(guest.vcpu().run(), true, 0);
            guest.vcpu().run().xenResult(RESULT);
            assertEquals(XenGuest.DONE, guest.run(guest.vcpu()));
            assertEquals(RESULT, guest.vcpu().getRegs().get(Gpr.RAX));
        }
    }

    @Test
    void hyperVHypercallsWorkBesideXensHypercalls() {
        try (XenGuest guest = XenGuest.wide()) {
            List<CpuidEntry> cpuid = new ArrayList<>(guest.system.supportedCpuid());
            cpuid.removeIf(e -> e.function() >>> 28 == 4);
            cpuid.add(new CpuidEntry(0x4000_0000, 0, 0, 0x4000_0005, 0, 0, 0));
            cpuid.add(new CpuidEntry(0x4000_0001, 0, 0, HV_INTERFACE, 0, 0, 0));
            cpuid.add(new CpuidEntry(0x4000_0003, 0, 0, HV_HYPERCALL_MSRS, 0, 0, 0));
            guest.vcpu().setCpuid(cpuid);
            writeMsr(guest, HYPERV_GUEST_OS_ID, 0x5a);
            writeMsr(guest, HYPERV_HYPERCALL, PAGE_GPA | 1);
            jumpTo(
                    guest,
                    PAGE_GPA,
                    new KvmRegs()
                            .set(Gpr.RCX, SIGNAL_EVENT)
                            .set(Gpr.RDX, 0x5a5a_5a5a_5a5aL)
                            .set(Gpr.R8, 0x5a5a_5a5a_5a5aL));
            assertEquals(XenGuest.DONE, guest.run(guest.vcpu()));
            assertEquals(INVALID_ALIGNMENT, guest.vcpu().getRegs().get(Gpr.RAX));
            KvmRun run = guest.hypercallExit(guest.vcpu(), XEN_VERSION_CALL, ARGUMENTS);
            assertExitShows(run, true, 0, ARGUMENTS);
        }
    }

    private static void writeMsr(XenGuest guest, long msr, long value) {
        guest.prepare(guest.vcpu(), XenGuest.WRITE_MSR, 0);
        KvmRegs regs = guest.vcpu().getRegs();
        guest.vcpu()
                .setRegs(
                        regs.set(Gpr.RCX, msr)
                                .set(Gpr.RAX, value & 0xffff_ffffL)
                                .set(Gpr.RDX, value >>> 32));
        assertEquals(XenGuest.DONE, guest.run(guest.vcpu()));
    }

    /// Calls a function of the guest, which returns to where it says that it is done.
    private static void jumpTo(XenGuest guest, long function, KvmRegs regs) {
        guest.prepare(guest.vcpu(), XenGuest.CALL, 0);
        long stack = guest.vcpu().getRegs().get(Gpr.RSP) - Long.BYTES;
        guest.memory.set(JAVA_LONG, stack, RETURN);
        guest.vcpu().setRegs(regs.set(Gpr.RIP, function).set(Gpr.RSP, stack).set(Gpr.RFLAGS, 2));
    }

    @Test
    void hypercallOfA32BitGuestIsZeroExtended() {
        try (XenGuest guest = new XenGuest(false, 1)) {
            KvmRun run = guest.hypercallExit(guest.vcpu(), XEN_VERSION_CALL, 1, 2, -3, 4, 5, -6);
            assertExitShows(run, false, 0, 1, 2, 0xffff_fffdL, 4, 5, 0xffff_fffaL);
        }
    }

    @Test
    void hypercallFromUserModeExitsAlthoughTheKernelCouldServeIt() {
        try (XenGuest guest = XenGuest.wide()) {
            guest.vm.xen().xenVersion(VERSION);
            assertEquals(VERSION, guest.hypercall(XEN_VERSION_CALL, 0));
            guest.dropToUser(guest.vcpu());
            KvmRun run = guest.hypercallExit(guest.vcpu(), XEN_VERSION_CALL, 0);
            assertExitShows(run, true, 3, 0);
        }
    }

    @Test
    void immediateExitCompletesTheHypercall() {
        try (XenGuest guest = XenGuest.wide()) {
            KvmRun run = guest.hypercallExit(guest.vcpu(), XEN_VERSION_CALL, ARGUMENTS);
            run.xenResult(RESULT);
            run.requestImmediateExit();
            assertEquals(Errno.EINTR, guest.vcpu().enter());
            run.clearImmediateExit();
            assertEquals(RESULT, guest.vcpu().getRegs().get(Gpr.RAX));
            assertEquals(RETURN, guest.vcpu().getRegs().get(Gpr.RIP));
        }
    }

    @Test
    void changeOfRipCancelsTheCompletion() {
        try (XenGuest guest = XenGuest.wide()) {
            KvmRun run = guest.hypercallExit(guest.vcpu(), XEN_VERSION_CALL, ARGUMENTS);
            run.xenResult(RESULT);
            KvmRegs elsewhere = guest.vcpu().getRegs().set(Gpr.RIP, RETURN).set(Gpr.RAX, 1);
            guest.vcpu().setRegs(elsewhere);
            assertEquals(XenGuest.DONE, guest.run(guest.vcpu()));
            assertEquals(1, guest.vcpu().getRegs().get(Gpr.RAX));
        }
    }

    @Test
    void sendLeavesToUserSpaceUnlessThePortIsAssigned() {
        try (XenGuest guest = XenGuest.listening()) {
            guest.vm.xen().assignIpi(20, guest.vcpu().id());
            assertEquals(0, guest.send(20));
            guest.awaitEvent(20);
            guest.vm.xen().deassign(20);
            guest.prepare(guest.vcpu(), XenGuest.CALL, 32, 4, XenGuest.ARGUMENT);
            assertEquals(ExitReason.XEN, guest.runToExit(guest.vcpu()));
            guest.vcpu().run().xenResult(0);
            assertEquals(XenGuest.DONE, guest.run(guest.vcpu()));
            assertFalse(guest.isPending(20));
        }
    }

    @Test
    void unreadableArgumentOfSendIsEfaultWithoutAnExit() {
        try (XenGuest guest = XenGuest.listening()) {
            assertEquals(-Errno.EFAULT, guest.hypercall(32, 4, 0x8000_0000L));
        }
    }

    @Test
    void yieldIsServedByTheKernel() {
        try (XenGuest guest = XenGuest.listening()) {
            assertTrue(IntStream.range(0, 3).allMatch(i -> guest.hypercall(29, 0) == 0));
        }
    }
}
