package io.xenemu.core.machine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.xenemu.core.machine.state.ClockPolicy;
import io.xenemu.core.machine.state.GuestTime;
import io.xenemu.core.machine.state.KernelBytes;
import io.xenemu.core.machine.state.KvmState;
import io.xenemu.core.machine.state.KvmStateException;
import io.xenemu.core.machine.state.VcpuState;
import io.xenemu.core.machine.state.VmState;
import io.xenemu.kvm.ioctl.KvmCapability;
import io.xenemu.kvm.ioctl.KvmSystem;
import io.xenemu.kvm.ioctl.KvmVcpu;
import io.xenemu.kvm.ioctl.MpState;
import io.xenemu.kvm.ioctl.MsrEntry;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Needs /dev/kvm: the state of a VM goes over to another one, which goes on with it.
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class KvmStateTest {
    private static final int PIT_CHANNELS = 3;
    private static final int PIT_CHANNEL_BYTES = 24;
    private static final int PIT_LOAD_TIME = 16;
    private static final int STAR = 0xc000_0081;
    private static final int PAT = 0x277;
    private static final int MTRR_BASE_1 = 0x202;
    private static final int MC1_CTL = 0x404;
    private static final int UNKNOWN = 0x4b4b_4b4b;
    private static final int XMM_3 = 160 + 3 * 16;
    private static final int XSTATE_BV = 512;

    @BeforeEach
    void needsKvm() {
        assumeTrue(Files.isWritable(KvmSystem.DEVICE), "needs /dev/kvm");
    }

    @Test
    void codeGoesOnInAnotherVm() throws Exception {
        try (TickingVm old = new TickingVm();
                TickingVm next = new TickingVm()) {
            old.boot();
            while (old.tick() < 3) {
                // Waits for the third.
            }
            old.park();
            next.restore(old.capture(), old, ClockPolicy.STAND_STILL);
            assertEquals(4, next.tick());
            assertEquals(5, next.tick());
        }
    }

    @Test
    void timerChipStandsStillUntilItGoesOn() {
        try (TickingVm vm = new TickingVm()) {
            vm.boot();
            vm.tick();
            vm.park();
            KvmState first = vm.capture();
            assertEquals(first.vm().chips(), vm.capture().vm().chips());
            vm.vm.setPit2(first.vm().pit().toBytes());
            assertEquals(2, vm.tick());
        }
    }

    @Test
    void stateIsTheSameInAnotherVm() throws Exception {
        try (TickingVm old = new TickingVm();
                TickingVm next = new TickingVm()) {
            old.boot();
            old.tick();
            old.park();
            distinguish(old);
            KvmState saved = old.capture();
            next.restore(saved, old, ClockPolicy.STAND_STILL);
            KvmState restored = next.capture();
            assertEquals(comparable(saved), comparable(restored));
            VcpuState vcpu = restored.vcpus().getFirst();
            assertTrue(vcpu.msrs().contains(new MsrEntry(STAR, 0x23_0010_0000_0000L)));
            assertTrue(vcpu.msrs().contains(new MsrEntry(MTRR_BASE_1, 0x8000_0006L)));
            assertTrue(vcpu.msrs().contains(new MsrEntry(MC1_CTL, 0)));
            assertEquals(0x77, vcpu.xsave().toBytes()[XMM_3]);
            assertEquals(MpState.UNINITIALIZED, restored.vcpus().get(1).mp());
        }
    }

    /// Gives the first vCPU values that a new one does not have.
    private static void distinguish(TickingVm vm) {
        KvmVcpu vcpu = vm.boot0();
        int size = vm.vm.checkExtension(KvmCapability.XSAVE2);
        byte[] xsave = vcpu.getXsave(size);
        xsave[XMM_3] = 0x77;
        xsave[XSTATE_BV] |= 3;
        vcpu.setXsave(xsave, size);
        byte[] debug = vcpu.getDebugregs();
        debug[8] = 0x33;
        vcpu.setDebugregs(debug);
        vcpu.setMsrs(
                List.of(
                        new MsrEntry(STAR, 0x23_0010_0000_0000L),
                        new MsrEntry(PAT, 0x0007_0406_0007_0406L),
                        new MsrEntry(MTRR_BASE_1, 0x8000_0006L),
                        new MsrEntry(MC1_CTL, 0)));
        vcpu.nmi();
    }

    /// A state without what depends on the moment, or on the host's counters.
    private static KvmState comparable(KvmState state) {
        VmState vm = state.vm();
        GuestTime time = new GuestTime(0, 0, 0, vm.time().khz());
        ByteBuffer pit = ByteBuffer.wrap(vm.pit().toBytes());
        for (int i = 0; i < PIT_CHANNELS; i++) {
            pit.putLong(i * PIT_CHANNEL_BYTES + PIT_LOAD_TIME, 0);
        }
        List<VcpuState> vcpus =
                state.vcpus().stream().map(vcpu -> with(vcpu, vcpu.msrs(), 0)).toList();
        return new KvmState(
                new VmState(vm.chips(), new KernelBytes(pit.array()), time, vm.incarnation()),
                vcpus);
    }

    private static VcpuState with(VcpuState vcpu, List<MsrEntry> msrs, long tscOffset) {
        return new VcpuState(
                vcpu.registers(),
                vcpu.system(),
                vcpu.debug(),
                vcpu.xcrs(),
                vcpu.xsave(),
                msrs,
                vcpu.lapic(),
                vcpu.events(),
                vcpu.mp(),
                tscOffset);
    }

    @Test
    void refusedMsrRefusesTheState() {
        try (TickingVm old = new TickingVm();
                TickingVm next = new TickingVm()) {
            KvmState saved = old.capture();
            VcpuState second = saved.vcpus().get(1);
            List<MsrEntry> msrs = new ArrayList<>(second.msrs());
            msrs.add(3, new MsrEntry(UNKNOWN, 7));
            KvmState wrong =
                    new KvmState(
                            saved.vm(),
                            List.of(
                                    saved.vcpus().getFirst(),
                                    with(second, msrs, second.tscOffset())));
            KvmStateException e =
                    assertThrows(
                            KvmStateException.class,
                            () -> next.restore(wrong, old, ClockPolicy.STAND_STILL));
            assertEquals(
                    "this host refuses the state of vCPU 1:"
                            + " KVM_SET_MSRS: EINVAL (22): MSR 0x4b4b4b4b value 0x7",
                    e.getMessage());
        }
    }

    @Test
    void clockGoesOnWhereItStoodOrByTheTimeThatHasPassed() throws Exception {
        try (TickingVm old = new TickingVm();
                TickingVm still = new TickingVm();
                TickingVm ahead = new TickingVm()) {
            KvmState saved = old.capture();
            GuestTime then = saved.vm().time();
            long hour = 3_600_000_000_000L;
            GuestTime hourAgo =
                    new GuestTime(5_000_000_000L, then.realtime() - hour, then.ticks(), then.khz());
            KvmState state =
                    new KvmState(
                            new VmState(saved.vm().chips(), saved.vm().pit(), hourAgo, 1),
                            saved.vcpus());
            still.restore(state, old, ClockPolicy.STAND_STILL);
            GuestTime stood = GuestTime.now(still.vm, still.boot0());
            assertTrue(stood.clock() >= hourAgo.clock(), stood.toString());
            assertTrue(stood.clock() < hourAgo.clock() + hour, stood.toString());
            ahead.restore(state, old, ClockPolicy.ADVANCE);
            GuestTime advanced = GuestTime.now(ahead.vm, ahead.boot0());
            assertTrue(advanced.clock() >= hourAgo.clock() + hour, advanced.toString());
        }
    }
}
