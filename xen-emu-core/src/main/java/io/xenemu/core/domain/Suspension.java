package io.xenemu.core.domain;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.kvm.ioctl.Gpr;
import io.xenemu.kvm.ioctl.KvmRegs;
import org.jspecify.annotations.Nullable;

/// A shutdown by the guest (SCHEDOP_shutdown) from which it may go on in the same domain: SHUTDOWN_suspend or
/// SHUTDOWN_soft_reset. The domain's vCPUs are held from then on, until the suspend is cancelled or the soft reset is
/// done. Of two shutdowns the first counts, as on Xen.
///
/// After a suspend, the guest's hypercall returns 0 in a domain that was restored from a saved one, and 1 if the
/// suspend was cancelled. KVM has completed the call when its vCPU is parked, with 0; so cancelling sets the register,
/// as libxc does. After a soft reset the call returns 0.
///
/// Source: xen/include/public/sched.h; `xc_domain_resume` of tools/libs/guest/xg_resume.c.
public final class Suspension {
    /// The result of a suspend that was cancelled.
    private static final long CANCELLED = 1;

    private final Quiescence quiescence;

    /// SUSPEND or SOFT_RESET, while the domain is held.
    @GuardedBy("this")
    private @Nullable ShutdownReason reason;

    @GuardedBy("this")
    private @Nullable Vcpu caller;

    private volatile @Nullable Runnable listener;

    Suspension(Quiescence quiescence) {
        this.quiescence = quiescence;
    }

    /// Suspends the domain, unless it is held here already.
    ///
    /// @param vcpu makes the hypercall, on its own thread; it parks when the call is completed
    public void suspend(Vcpu vcpu) {
        begin(vcpu, ShutdownReason.SUSPEND);
    }

    /// Holds the domain until its driver has reset it ([Domain#softReset]) or stops it, unless it is held here already.
    ///
    /// @param vcpu makes the hypercall, on its own thread; it parks when the call is completed
    public void askForSoftReset(Vcpu vcpu) {
        begin(vcpu, ShutdownReason.SOFT_RESET);
    }

    private void begin(Vcpu vcpu, ShutdownReason why) {
        synchronized (this) {
            if (caller != null) {
                return;
            }
            caller = vcpu;
            reason = why;
            quiescence.beginHold();
        }
        Runnable current = listener;
        if (current != null) {
            current.run();
        }
    }

    /// Whether the domain is suspended.
    public synchronized boolean isSuspended() {
        return reason == ShutdownReason.SUSPEND;
    }

    /// Whether the domain waits for its soft reset.
    public synchronized boolean isSoftReset() {
        return reason == ShutdownReason.SOFT_RESET;
    }

    /// Whether either is so: the domain has shut down, and may go on.
    public synchronized boolean isHeld() {
        return caller != null;
    }

    /// Calls `listener` at each suspend and soft reset, on a vCPU's thread, so it must not wait. There is one listener
    /// at a time.
    public void onSuspend(Runnable listener) {
        this.listener = listener;
    }

    /// Cancels the suspend: the domain goes on.
    ///
    /// @throws IllegalStateException if it is not suspended
    /// @throws StuckException if a vCPU has not parked in time; then the domain stays suspended
    public void cancel() {
        Vcpu vcpu = held(ShutdownReason.SUSPEND);
        quiescence.awaitHold();
        vcpu.call(port -> {
            KvmRegs registers = port.getRegs();
            port.setRegs(registers.set(Gpr.RAX, CANCELLED));
        });
        release();
    }

    /// Waits until all vCPUs are parked for a soft reset. They stay so.
    ///
    /// @throws IllegalStateException if the guest has not asked for one
    /// @throws StuckException if a vCPU has not parked in time; then nothing has happened
    public void awaitSoftReset() {
        Vcpu _ = held(ShutdownReason.SOFT_RESET);
        quiescence.awaitHold();
    }

    /// Lets the domain go on after its soft reset.
    ///
    /// @throws IllegalStateException if the guest has not asked for one
    public void endSoftReset() {
        Vcpu _ = held(ShutdownReason.SOFT_RESET);
        release();
    }

    private synchronized Vcpu held(ShutdownReason why) {
        Vcpu vcpu = caller;
        if (vcpu == null || reason != why) {
            throw new IllegalStateException("not held by " + why);
        }
        return vcpu;
    }

    private void release() {
        synchronized (this) {
            caller = null;
            reason = null;
        }
        quiescence.release();
    }
}
