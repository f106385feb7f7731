package io.xenemu.core.domain;

import io.xenemu.core.vm.VcpuPort;
import io.xenemu.kvm.ioctl.Gpr;
import io.xenemu.kvm.ioctl.MpState;

/// Whether a vCPU is up (Xen's `_VPF_down`), and whether it has been initialised. A vCPU that is down does not run
/// until VCPUOP_up, or INIT and SIPI; KVM's state for it is UNINITIALIZED, in which it waits for INIT. So this class
/// remembers whether the vCPU has registers to go on with.
///
/// For the vCPU's own thread, except where it says otherwise.
///
/// Source: xen/common/domain.c (`common_vcpu_op`), xen/arch/x86/hvm/vlapic.c.
final class VcpuPower {
    private static final long RFLAGS_IF = 1 << 9;

    /// The saved state, beside KVM's.
    ///
    /// @param resting whether it has registers to go on with, if it is in the state UNINITIALIZED
    /// @param goingDown whether it is to go down before it enters the guest again
    record State(boolean resting, boolean goingDown) {
        /// A vCPU that is up, or was never initialised.
        static final State UP = new State(false, false);
    }

    private volatile boolean goingDown;

    /// Whether it is in the state UNINITIALIZED because of VCPUOP_down or VCPUOP_initialise.
    private boolean resting;

    /// Whether it will not run again by itself: it was never started, or is down, or has halted with interrupts
    /// disabled. Such a halt puts it down on Xen too (`hvm_hlt`).
    boolean isDown(VcpuPort port) {
        return goingDown || isAtRest(port, port.getMpState());
    }

    /// Whether it does not run by itself now, even if it is to go down.
    ///
    /// @param state its present one
    static boolean isAtRest(VcpuPort port, MpState state) {
        return switch (state) {
            case UNINITIALIZED, INIT_RECEIVED -> true;
            case HALTED -> (port.getRegs().get(Gpr.RFLAGS) & RFLAGS_IF) == 0;
            case RUNNABLE, SIPI_RECEIVED -> false;
        };
    }

    /// Whether it has registers to run with: those of VCPUOP_initialise, or of a SIPI, or it is the boot vCPU.
    boolean isInitialised(VcpuPort port) {
        return switch (port.getMpState()) {
            case UNINITIALIZED -> resting;
            case INIT_RECEIVED -> false;
            case HALTED, RUNNABLE, SIPI_RECEIVED -> true;
        };
    }

    /// Whether it is down with registers to go on with, or is to go down.
    boolean isResting(VcpuPort port) {
        return goingDown || (resting && port.getMpState() == MpState.UNINITIALIZED);
    }

    /// What KVM does not know of a vCPU that is down.
    State save() {
        return new State(resting, goingDown);
    }

    /// Goes on with a saved state. KVM has its own already.
    void restore(State saved) {
        resting = saved.resting();
        goingDown = saved.goingDown();
    }

    /// Gives it its first registers; it stays down.
    ///
    /// @return false if it has been initialised
    /// @throws io.xenemu.kvm.abi.KvmException EINVAL for registers that the processor refuses
    boolean initialise(VcpuPort port, VcpuStart start) {
        if (isInitialised(port)) {
            return false;
        }
        start.apply(port);
        port.setMpState(MpState.UNINITIALIZED);
        resting = true;
        return true;
    }

    /// Lets it run. Does nothing if it does.
    ///
    /// @return false if it has not been initialised
    boolean up(VcpuPort port) {
        if (!isInitialised(port)) {
            return false;
        }
        if (isAtRest(port, port.getMpState())) {
            port.setMpState(MpState.RUNNABLE);
        }
        goingDown = false;
        resting = false;
        return true;
    }

    /// Asks it to go down before it enters the guest again. Any thread may call this, and wakes the vCPU then.
    void requestDown() {
        goingDown = true;
    }

    /// Whether it is to go down when KVM has completed its last exit. Any thread may ask. Costs one volatile read.
    boolean isGoingDown() {
        return goingDown;
    }

    /// Goes down, if it is to.
    ///
    /// @return whether it is down now
    boolean goDown(VcpuPort port) {
        if (!goingDown) {
            return false;
        }
        if (isInitialised(port)) {
            port.setMpState(MpState.UNINITIALIZED);
            resting = true;
        }
        goingDown = false;
        return true;
    }
}
