package io.xenemu.core.domain;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.util.concurrent.TimeUnit;

/// The gate between a vCPU's thread and the guest. While it is held shut, the thread does not enter the guest. The vCPU
/// is *parked* when its thread has confirmed that it stands before the gate. It is then between two entries, with its
/// last exit completed, so that KVM has all of the vCPU's state.
///
/// A vCPU also counts as parked before its thread first comes to the gate, and after the thread has ended. It is not in
/// the guest then and cannot get there. A parked vCPU's thread still serves its mailbox.
///
/// Its monitor is a leaf.
final class VcpuGate {
    /// Read at every exit, without the monitor.
    private volatile boolean held;

    @GuardedBy("this")
    private boolean parked = true;

    /// Whether the vCPU is to park.
    boolean isHeld() {
        return held;
    }

    /// Shuts the gate.
    ///
    /// @return whether the thread has to be told, because the vCPU is not parked
    synchronized boolean hold() {
        held = true;
        return !parked;
    }

    /// Opens it. The caller wakes the thread.
    synchronized void release() {
        held = false;
    }

    /// One attempt of the vCPU's thread to pass, with nothing of the guest's under way.
    ///
    /// @param stopping whether the thread will not enter the guest any more: it may pass, and a parked vCPU stays
    ///     parked
    /// @return false if the gate is shut: the vCPU is parked then
    synchronized boolean pass(boolean stopping) {
        if (held && !stopping) {
            if (!parked) {
                parked = true;
                notifyAll();
            }
            return false;
        }
        if (!stopping) {
            parked = false;
        }
        return true;
    }

    /// The vCPU's thread has ended, or could not be started.
    synchronized void end() {
        parked = true;
        notifyAll();
    }

    /// Waits until the vCPU is parked. An interrupt is kept for later.
    ///
    /// @param deadline by [System#nanoTime]
    /// @return false if it is not by then
    boolean awaitParked(long deadline) {
        boolean interrupted = false;
        boolean is;
        synchronized (this) {
            long left = deadline - System.nanoTime();
            while (!parked && left > 0) {
                try {
                    TimeUnit.NANOSECONDS.timedWait(this, left);
                } catch (InterruptedException e) {
                    interrupted = true;
                }
                left = deadline - System.nanoTime();
            }
            is = parked;
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        return is;
    }
}
