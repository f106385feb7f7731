package io.xenemu.core.domain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.vm.FakeVm;
import io.xenemu.gnttab.GrantLimits;
import io.xenemu.kvm.ioctl.Gpr;
import io.xenemu.kvm.ioctl.KvmRegs;
import io.xenemu.kvm.ioctl.MpState;
import io.xenemu.kvm.ioctl.Runstate;
import io.xenemu.kvm.ioctl.XenCapability;
import io.xenemu.kvm.testing.Eventually;
import java.util.EnumSet;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// The runstates that KVM is told of vCPUs that stand still.
@Timeout(60)
final class VcpuRunstateTest {
    private static final int RUNS = 0;
    private static final int HALTED = 1;
    private static final int NEVER_STARTED = 2;
    private static final int VCPUS = 3;
    private static final long RFLAGS_IF = 1 << 9;
    private static final long EXIT_NANOS = 1_000_000;

    private final FakeVm vm = new FakeVm();
    private final TestDomain guest;

    VcpuRunstateTest() throws Exception {
        DomainConfig config =
                new DomainConfig(
                        "test",
                        new UUID(1, 2),
                        GuestMemoryMap.MIN_BYTES,
                        VCPUS,
                        0x0004_0013,
                        new GrantLimits(4, 1, 2),
                        EventChannelConfig.DEFAULT);
        guest =
                TestDomain.of(
                        new DomainOrigin.Boot(TestDomain.ID, config),
                        vm,
                        EnumSet.of(XenCapability.RUNSTATE),
                        VcpuRunstateTest::loop);
    }

    /// What the exit loop does, without a guest.
    private static void loop(Vcpu vcpu) {
        vcpu.park();
        while (!vcpu.isStopping()) {
            LockSupport.parkNanos(EXIT_NANOS);
            if (vcpu.takeRequest()) {
                vcpu.serveMailbox();
                if (vcpu.isHeld() || vcpu.isGoingDown()) {
                    vcpu.goDown();
                    vcpu.park();
                }
            }
        }
    }

    @BeforeEach
    void start() {
        vm.vcpu(HALTED).setMpState(MpState.HALTED);
        vm.vcpu(HALTED).setRegs(new KvmRegs().set(Gpr.RFLAGS, RFLAGS_IF));
        assertEquals(List.of(3L, 3L, 3L), known());
        guest.domain().start();
        vm.vcpu(RUNS).enter();
        vm.vcpu(HALTED).enter();
        // All threads have passed the gate.
        assertEquals(List.of(0L, 2L, 3L), asked());
    }

    @AfterEach
    void close() {
        guest.close();
    }

    /// The runstates that the VM has.
    private List<Long> known() {
        return IntStream.range(0, VCPUS).mapToObj(i -> vm.vcpu(i).runstateData().state()).toList();
    }

    private List<Long> asked() {
        return guest.domain().vcpus().stream().map(vcpu -> vcpu.runstate().state()).toList();
    }

    @Test
    void heldVcpuIsOfflineOrStillBlocked() throws InterruptedException {
        guest.domain().pause();
        Eventually.holds("all are told", () -> known().equals(List.of(3L, 2L, 3L)));
        int told = vm.calls("runstateCurrent").size();
        assertEquals(List.of(3L, 2L, 3L), asked());
        assertEquals(VCPUS, vm.calls("runstateCurrent").size() - told);

        assertTrue(guest.domain().unpause());
        Eventually.holds("it goes on", () -> asked().equals(List.of(0L, 2L, 3L)));
    }

    @Test
    void holdCostsOneCallForEachVcpu() {
        int before = vm.calls("runstateCurrent").size();
        guest.domain().pause();
        assertEquals(VCPUS, vm.calls("runstateCurrent").size() - before);
    }

    @Test
    void vcpuThatHasGoneDownIsOfflineAndAHaltedOneThatIsAskedIsBlocked()
            throws InterruptedException {
        guest.domain().vcpus().get(RUNS).down();
        Eventually.holds("it is down", () -> known().get(RUNS) == Runstate.OFFLINE);
        assertEquals(List.of(3L, 2L, 3L), asked());
        assertEquals(List.of(3L, 2L, 3L), known());
        assertEquals(MpState.UNINITIALIZED, vm.vcpu(NEVER_STARTED).getMpState());
    }

    @Test
    void timesOfARunningVcpuAddUpToTheClock() {
        Runstate first = guest.domain().vcpus().get(RUNS).runstate();
        Runstate next = guest.domain().vcpus().get(RUNS).runstate();
        assertEquals(next.stateEntryTime(), next.total());
        assertTrue(next.total() > first.total());
        assertTrue(vm.clock() >= next.total());
        assertEquals(Runstate.RUNNING, next.state());
    }
}
