package io.xenemu.core.domain;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.kvm.memory.EventFd;
import java.util.function.BooleanSupplier;

/// The interrupt line by which a domain without upcall vectors is told of events. It goes up when events are announced;
/// when the guest ends the interrupt KVM takes it down and says so, and it goes up again if there is still something to
/// take: KVM's protocol for irqfds of level-triggered interrupts (KVM_IRQFD_FLAG_RESAMPLE).
///
/// Unlike Xen's, the line is not taken down by the guest's clearing of `evtchn_upcall_pending`: who clears it before the
/// interrupt gets one with nothing to take.
final class CallbackLine implements AutoCloseable {
    private final EventFd trigger = EventFd.create();
    private final EventFdThread acknowledgement;
    private final BooleanSupplier pending;

    @GuardedBy("this")
    private boolean up;

    @GuardedBy("this")
    private boolean closed;

    /// @param name of the thread that waits for the ends of interrupts
    /// @param pending whether there is something to take
    /// @param threads its domain's. It is not limited: for each run the guest takes an interrupt and ends it, which is no less work
    CallbackLine(String name, BooleanSupplier pending, EventFdThreads threads) {
        this.pending = pending;
        this.acknowledgement = threads.start(name, this::lowered);
    }

    /// The eventfd that takes the line up.
    EventFd trigger() {
        return trigger;
    }

    /// The eventfd by which KVM says that it has taken the line down.
    EventFd acknowledgement() {
        return acknowledgement.eventFd();
    }

    /// Takes the line up, unless it is. Never waits.
    synchronized void raise() {
        if (!up && !closed) {
            up = true;
            trigger.signal();
        }
    }

    private void lowered() {
        synchronized (this) {
            up = false;
        }
        // Afterwards: an event that is announced from now on takes the line up itself.
        if (pending.getAsBoolean()) {
            raise();
        }
    }

    /// Ends it, after KVM has been told to let go of both eventfds.
    @Override
    public synchronized void close() {
        closed = true;
        trigger.close();
        acknowledgement.close();
    }
}
