package io.xenemu.core.domain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.timer.VcpuTimer;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.evtchn.Virq;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.abi.XenError;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/// The VM's timer is saved and restored.
@Timeout(60)
@ParameterizedClass
@EnumSource(VmDomain.Kind.class)
class VcpuTimerXenTest {
    private static final long SHARED_INFO_GFN = 0x70;
    private static final VcpuId VCPU0 = new VcpuId(0);

    /// An hour of system time, which does not come.
    private static final long DEADLINE = 3_600_000_000_000L;

    private final VmDomain.Kind vm;

    VcpuTimerXenTest(VmDomain.Kind vm) {
        this.vm = vm;
    }

    private static VcpuTimer timer(VmDomain test) {
        return test.domain().vcpus().getFirst().timer();
    }

    private static void mapSharedInfo(VmDomain test) throws XenError {
        test.domain().sharedInfo().map(0, SHARED_INFO_GFN);
    }

    @Test
    void deadlineOfTheKernelsTimerIsSavedAndRestored() throws BootException, XenError {
        VcpuTimer.State state;
        try (VmDomain source = vm.open(1)) {
            mapSharedInfo(source);
            source.domain().eventChannels().bindVirq(Virq.TIMER, VCPU0);
            timer(source).setDeadline(DEADLINE);
            assertEquals(DEADLINE, kernelDeadline(source));
            state = timer(source).suspend();
        }
        assertEquals(new VcpuTimer.State(DEADLINE, 0), state);
        try (VmDomain target = vm.open(1)) {
            mapSharedInfo(target);
            target.domain().eventChannels().bindVirq(Virq.TIMER, VCPU0);
            timer(target).restore(state);
            assertEquals(DEADLINE, kernelDeadline(target));
        }
    }

    @Test
    void singleshotDeadlineOfZeroFiresAtOnce() throws BootException, XenError {
        try (VmDomain test = vm.open(1)) {
            mapSharedInfo(test);
            EvtchnPort port = test.domain().eventChannels().bindVirq(Virq.TIMER, VCPU0);
            timer(test).setDeadline(DEADLINE);
            timer(test).setSingleshot(0);
            // Reading the deadline delivers the event.
            assertEquals(0, kernelDeadline(test));
            assertTrue(test.domain().eventChannels().isPending(port));
        }
    }

    @Test
    void deadlineFromBeforeThePortIsSaved() throws BootException, XenError {
        try (VmDomain test = vm.open(1)) {
            mapSharedInfo(test);
            timer(test).setDeadline(DEADLINE);
            assertEquals(new VcpuTimer.State(DEADLINE, 0), timer(test).suspend());
        }
    }

    @Test
    void deadlineThatUserSpaceKeepsIsSaved() throws BootException, XenError {
        try (VmDomain test = vm.open(1)) {
            mapSharedInfo(test);
            test.domain().eventChannels().bindVirq(Virq.TIMER, VCPU0);
            test.domain().delivery().setCallback(5, GuestWidth.BITS_64);
            timer(test).setDeadline(DEADLINE);
            assertEquals(new VcpuTimer.State(DEADLINE, 0), timer(test).suspend());
        }
    }

    private static long kernelDeadline(VmDomain test) {
        return test.domain().vcpus().getFirst().port().timer().expiresNs();
    }
}
