package io.xenemu.evtchn;

import org.jspecify.annotations.Nullable;

/// The events of one vCPU with one priority, a list through their [EventArray] words whose head is in the vCPU's control block.
/// Appending needs this object's monitor; the guest takes from the front without any.
final class FifoQueue {
    /// How often Xen tries to append while the guest changes the last event's word. Once BUSY is set the guest may
    /// change it four times: mask it, unmask it, clear PENDING, unlink it.
    private static final int LINK_TRIES = 4;

    final Vcpu vcpu;
    final int priority;

    /// The place in the order in which two queues are locked.
    final int order;

    /// The last event, or 0 for none; also 0 if it has been moved to another queue. The guest may have taken it long since:
    /// its word is no longer LINKED then. Guarded by the monitor, and never read from the guest.
    private int tail;

    FifoQueue(Vcpu vcpu, int priority, int order) {
        this.vcpu = vcpu;
        this.priority = priority;
        this.order = order;
    }

    synchronized int tail() {
        return tail;
    }

    /// For a restore.
    synchronized void tail(int port) {
        tail = port;
    }

    /// Makes an event pending and, unless it is masked or in a queue, appends it here. For the holder of the monitors of
    /// this queue and of `last`.
    ///
    /// @param last the queue where the event was the last time; perhaps this one
    /// @param control the vCPU's control block; without one the event just stays pending, as the guest must not unmask
    ///     it before
    /// @return whether it was appended, and is alone or the first of this queue, so that the vCPU has to be told
    boolean append(
            Channel channel, FifoQueue last, EventArray words, @Nullable ControlBlock control) {
        int port = channel.port.value();
        words.testAndSet(port, EventArray.PENDING);
        if (control == null
                || words.test(port, EventArray.MASKED)
                || words.testAndSet(port, EventArray.LINKED)) {
            return false;
        }
        // A tail that goes elsewhere must not have others linked to it here.
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

    /// Lets `from` point to `to`, if the guest has not taken `from` out of the queue.
    ///
    /// @return whether the queue has a last event that `to` follows
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
