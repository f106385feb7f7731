package io.xenemu.core.delivery;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.kvm.memory.EventFd;
import java.util.function.BooleanSupplier;

/// The interrupt line that announces events to a domain without upcall vectors. It is raised when events are
/// announced. When the guest ends the interrupt, KVM lowers the line and reports that; the line is raised again if
/// events are still pending. This is KVM's protocol for irqfds of level-triggered interrupts
/// (KVM_IRQFD_FLAG_RESAMPLE).
///
/// Unlike Xen's line, it is not lowered when the guest clears `evtchn_upcall_pending`. A guest that clears it before
/// the interrupt gets an interrupt without a pending event.
public final class CallbackLine implements AutoCloseable {
    private final EventFd trigger = EventFd.create();
    private final EventFdThread acknowledgement;
    private final BooleanSupplier pending;

    @GuardedBy("this")
    private boolean up;

    @GuardedBy("this")
    private boolean closed;

    /// @param name of the thread that waits for the ends of interrupts
    /// @param pending whether an event is pending
    /// @param threads the domain's threads. This one's rate is not limited: for each run, the guest takes and ends an
    ///     interrupt, which is no less work
    public CallbackLine(String name, BooleanSupplier pending, EventFdThreads threads) {
        this.pending = pending;
        this.acknowledgement = threads.start(name, this::lowered);
    }

    /// The eventfd that raises the line.
    public EventFd trigger() {
        return trigger;
    }

    /// The eventfd on which KVM reports that it has lowered the line.
    public EventFd acknowledgement() {
        return acknowledgement.eventFd();
    }

    /// Raises the line, unless it is raised. Never waits.
    public synchronized void raise() {
        if (!up && !closed) {
            up = true;
            trigger.signal();
        }
    }

    private void lowered() {
        synchronized (this) {
            up = false;
        }
        // Checked after `up` is cleared: an event announced from now on raises the line itself.
        if (pending.getAsBoolean()) {
            raise();
        }
    }

    /// Ends the line. KVM must already have let go of both eventfds.
    @Override
    public synchronized void close() {
        closed = true;
        trigger.close();
        acknowledgement.close();
    }
}
