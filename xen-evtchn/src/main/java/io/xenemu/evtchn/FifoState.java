package io.xenemu.evtchn;

import java.util.List;

/// State of the FIFO ABI outside guest memory, as plain values.
///
/// @param controls the control blocks, at most one for each vCPU
/// @param pages the page numbers of the event array, in order
/// @param tails the last event of each queue that has had one
/// @param events the ports whose FIFO state is not that of a new port
public record FifoState(
        List<Control> controls, List<Long> pages, List<Tail> tails, List<Event> events) {
    public FifoState {
        controls = List.copyOf(controls);
        pages = List.copyOf(pages);
        tails = List.copyOf(tails);
        events = List.copyOf(events);
    }

    /// The place of a vCPU's control block.
    ///
    /// @param vcpu the vCPU
    /// @param gfn the page
    /// @param offset in the page, in bytes
    public record Control(int vcpu, long gfn, int offset) {}

    /// The end of a queue.
    ///
    /// @param vcpu the queue's vCPU
    /// @param priority the queue's priority
    /// @param port the event that the next one is linked to
    public record Tail(int vcpu, int priority, int port) {}

    /// A port, in use or not.
    ///
    /// @param port the port's number
    /// @param priority of its later events
    /// @param lastVcpu the vCPU of the queue where its last event was
    /// @param lastPriority the priority of that queue
    /// @param waiting whether an event waits for the port's word to exist
    public record Event(int port, int priority, int lastVcpu, int lastPriority, boolean waiting) {
        boolean isDefault() {
            return priority == Fifo.DEFAULT_PRIORITY
                    && lastVcpu == 0
                    && lastPriority == 0
                    && !waiting;
        }
    }
}
