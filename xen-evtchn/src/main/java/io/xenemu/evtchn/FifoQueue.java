package io.xenemu.evtchn;

import org.jspecify.annotations.Nullable;

/// The events of one vCPU with one priority: a list through their [EventArray] words, with its head in the vCPU's
/// control block. Appending requires this object's monitor; the guest removes from the front without a lock.
final class FifoQueue {
    /// How often to try to append while the guest changes the last event's word, as in Xen. Once BUSY is set the
    /// guest may change it four times: mask it, unmask it, clear PENDING, unlink it.
    private static final int LINK_TRIES = 4;

    final Vcpu vcpu;
    final int priority;

    /// The queue's rank when two queues are locked.
    final int order;

    /// The last event; 0 if there was none or it has moved to another queue. The guest may have taken it long ago:
    /// then its word is no longer LINKED. Guarded by the monitor, and never read from the guest.
    private int tail;

    FifoQueue(Vcpu vcpu, int priority, int order) {
        this.vcpu = vcpu;
        this.priority = priority;
        this.order = order;
    }

    synchronized int tail() {
        return tail;
    }

    /// Sets the last event of a restored queue.
    synchronized void tail(int port) {
        tail = port;
    }

    /// Makes an event pending and, unless it is masked or already in a queue, appends it here. The caller holds the
    /// monitors of this queue and of `last`.
    ///
    /// @param last the queue where the event was last; possibly this one
    /// @param control the vCPU's control block; without one the event only becomes pending, since the guest must not
    ///     unmask it before it sets a control block
    /// @return whether it was appended and is the first of this queue, and `ready` was not set: then the vCPU needs
    ///     an upcall
    boolean append(
            Channel channel, FifoQueue last, EventArray words, @Nullable ControlBlock control) {
        int port = channel.port.value();
        words.testAndSet(port, EventArray.PENDING);
        if (control == null
                || words.test(port, EventArray.MASKED)
                || words.testAndSet(port, EventArray.LINKED)) {
            return false;
        }
        // A tail that moves to another queue must not have others linked to it here.
        if (last.tail == port) {
            last.tail = 0;
        }
        if (last != this) {
            channel.lastQueue = this;
        }
        boolean linked = tail != 0 && link(words, tail, port);
        tail = port;
        if (linked) {
            return false;
        }
        control.head(priority, port);
        return control.ready(priority);
    }

    /// Makes `from` point to `to`, unless the guest has already removed `from` from the queue.
    ///
    /// @return whether `to` now follows `from`; if false, the queue is empty
    private static boolean link(EventArray words, int from, int to) {
        int word = words.get(from);
        if ((word & EventArray.LINKED) == 0) {
            return false;
        }
        if (words.compareAndSet(from, word, linked(word, to))) {
            return true;
        }
        words.testAndSet(from, EventArray.BUSY);
        for (int i = 0; i < LINK_TRIES; i++) {
            word = words.get(from);
            if ((word & EventArray.LINKED) == 0) {
                words.clear(from, EventArray.BUSY);
                return false;
            }
            if (words.compareAndSet(from, word, linked(word, to))) {
                return true;
            }
        }
        // A guest that keeps changing a BUSY word breaks the protocol, and loses this event.
        words.clear(from, EventArray.BUSY);
        return true;
    }

    private static int linked(int word, int to) {
        return (word & ~(EventArray.BUSY | EventArray.LINK_MASK)) | to;
    }
}
