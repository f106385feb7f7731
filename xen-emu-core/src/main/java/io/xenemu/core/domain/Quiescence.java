package io.xenemu.core.domain;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.time.Duration;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Holds a domain's vCPUs out of the guest. There can be several holders at once: an operator's pause, a save, and a
/// suspend by the guest itself ([Suspension]).
///
/// When [#hold] returns, and until [#release], every vCPU is parked:
///
/// - no code of the guest runs, and no hypercall or other exit is being served;
/// - the last exit is completed: KVM has its result, and the instruction pointer stands where the guest goes on;
/// - a long batch (grant_table_op, memory_op) has ended between two elements. Its registers make the guest call again
///   for the rest, as Xen's continuations do. A poll or block that user space serves is made again.
///
/// Each vCPU's thread confirms that itself ([VcpuGate]). A thread that has not been started, or has ended, counts as
/// parked. A parked thread still serves its mailbox, so others may read and change the vCPU. Everything else that works
/// for the domain goes on: timers, eventfds, other domains' events and copies.
///
/// A vCPU's thread parks after its current element, poll slice or exit; none of these waits for a guest. A thread that
/// does not park within the limit hangs in the host or in our code. Then the hold fails, and the domain goes on as
/// before.
public final class Quiescence {
    private static final Logger log = LoggerFactory.getLogger(Quiescence.class);

    /// Much longer than the longest element takes on a host that swaps, and shorter than an operator's patience.
    static final Duration LIMIT = Duration.ofSeconds(10);

    private final List<Vcpu> vcpus;
    private final Duration limit;

    @GuardedBy("this")
    private int holders;

    /// @param vcpus the domain's, which are all added before the domain runs
    /// @param limit how long a vCPU may take to park
    Quiescence(List<Vcpu> vcpus, Duration limit) {
        this.vcpus = vcpus;
        this.limit = limit;
    }

    /// Waits until every vCPU is parked; each stays so until [#release]. Not for a vCPU's thread, which would have to
    /// wait for itself. Never waits longer than the limit.
    ///
    /// @throws StuckException if a vCPU does not park in time; then this holder holds nothing
    void hold() {
        beginHold();
        boolean held = false;
        try {
            awaitHold();
            held = true;
        } finally {
            if (!held) {
                release();
            }
        }
    }

    /// Begins a hold, and does not wait: the vCPUs park one after the other. Also for a vCPU's thread.
    synchronized void beginHold() {
        holders++;
        if (holders == 1) {
            vcpus.forEach(Vcpu::hold);
        }
    }

    /// Waits until every vCPU is parked, while the caller holds. Not for a vCPU's thread.
    ///
    /// @throws StuckException if a vCPU does not park in time
    void awaitHold() {
        if (Thread.currentThread() instanceof VcpuThread) {
            throw new IllegalStateException("a vCPU cannot wait until all vCPUs are parked");
        }
        long deadline = System.nanoTime() + limit.toNanos();
        for (Vcpu vcpu : vcpus) {
            if (!vcpu.awaitParked(deadline)) {
                throw stuck(vcpu);
            }
        }
    }

    private StuckException stuck(Vcpu vcpu) {
        StackTraceElement[] stack = vcpu.stack();
        Exception at = new Exception("where it is");
        at.setStackTrace(stack);
        log.warn("{} has not parked within {} s", vcpu, limit.toSeconds(), at);
        return new StuckException(
                "%s does not stop: its thread has been busy for %d s%s"
                        .formatted(
                                vcpu,
                                limit.toSeconds(),
                                stack.length == 0 ? "" : " in " + stack[0].getMethodName()));
    }

    /// Undoes one successful [#hold]. With the last one the vCPUs run.
    synchronized void release() {
        if (holders == 0) {
            throw new IllegalStateException("released without a hold");
        }
        holders--;
        if (holders == 0) {
            vcpus.forEach(Vcpu::release);
        }
    }

    /// Whether some holder holds the vCPUs, or waits until they are parked.
    public synchronized boolean isHeld() {
        return holders != 0;
    }
}
