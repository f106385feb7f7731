package io.xenemu.core.domain;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.kvm.ioctl.Gpr;
import io.xenemu.kvm.ioctl.KvmRegs;
import org.jspecify.annotations.Nullable;

/// The suspend of a domain by its guest (SCHEDOP_shutdown with SHUTDOWN_suspend): its vCPUs are held from then on,
/// until the suspend is cancelled.
///
/// The guest's hypercall returns 0 in a domain that was restored from a saved one, and 1 if the suspend was cancelled.
/// KVM has completed the call when its vCPU is parked, with 0; so cancelling sets the register, as libxc does.
///
/// Source: xen/include/public/sched.h; `xc_domain_resume` of tools/libs/guest/xg_resume.c.
public final class Suspension {
    /// The result of a suspend that was cancelled.
    private static final long CANCELLED = 1;

    private final Quiescence quiescence;

    @GuardedBy("this")
    private @Nullable Vcpu caller;

    private volatile @Nullable Runnable listener;

    Suspension(Quiescence quiescence) {
        this.quiescence = quiescence;
    }

    /// Suspends the domain, unless it is. For the thread of the vCPU that makes the hypercall; the vCPU parks when the
    /// call is completed.
    void begin(Vcpu vcpu) {
        synchronized (this) {
            if (caller != null) {
                return;
            }
            caller = vcpu;
            quiescence.beginHold();
        }
        Runnable current = listener;
        if (current != null) {
            current.run();
        }
    }

    /// Whether the domain is suspended.
    public synchronized boolean isSuspended() {
        return caller != null;
    }

    /// Calls `listener` at each suspend, on a vCPU's thread, so it must not wait. There is one listener at a time.
    public void onSuspend(Runnable listener) {
        this.listener = listener;
    }

    /// Cancels the suspend: the domain goes on.
    ///
    /// @throws IllegalStateException if it is not suspended
    /// @throws StuckException if a vCPU has not parked in time; then the domain stays suspended
    public void cancel() {
        Vcpu vcpu;
        synchronized (this) {
            vcpu = caller;
        }
        if (vcpu == null) {
            throw new IllegalStateException("not suspended");
        }
        quiescence.awaitHold();
        vcpu.call(port -> {
            KvmRegs registers = port.getRegs();
            port.setRegs(registers.set(Gpr.RAX, CANCELLED));
        });
        synchronized (this) {
            caller = null;
        }
        quiescence.release();
    }
}
