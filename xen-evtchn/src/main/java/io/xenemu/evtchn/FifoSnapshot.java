package io.xenemu.evtchn;

import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.GuestMemory;
import java.util.ArrayList;
import java.util.List;

/// Converts between a live [Fifo] and [FifoState]. The caller holds the binding lock.
final class FifoSnapshot {
    private FifoSnapshot() {}

    static FifoState save(Bindings from, Fifo fifo) {
        List<FifoState.Control> controls = new ArrayList<>();
        for (int i = 0; i < from.vcpus(); i++) {
            ControlBlock block = fifo.control(i);
            if (block != null) {
                controls.add(new FifoState.Control(i, block.gfn, block.offset));
            }
        }
        List<FifoState.Tail> tails = new ArrayList<>();
        for (FifoQueue queue : fifo.queues()) {
            int port = queue.tail();
            if (port != 0) {
                tails.add(new FifoState.Tail(queue.vcpu.id.value(), queue.priority, port));
            }
        }
        List<FifoState.Event> events = new ArrayList<>();
        for (int i = 1; i < from.ports.size(); i++) {
            FifoState.Event event = save(from.ports.at(i));
            if (!event.isDefault()) {
                events.add(event);
            }
        }
        return new FifoState(controls, fifo.words().gfns(), tails, events);
    }

    private static FifoState.Event save(Channel channel) {
        FifoQueue last = channel.lastQueue;
        return new FifoState.Event(
                channel.port.value(),
                channel.priority,
                last == null ? 0 : last.vcpu.id.value(),
                last == null ? 0 : last.priority,
                channel.isLatched());
    }

    /// @throws IllegalArgumentException if the state contradicts itself, or the guest has no such memory
    static Fifo load(Bindings into, FifoState state, GuestPages guest) {
        Snapshot.require(into.options.fifo(), "FIFO is not allowed");
        Fifo fifo = new Fifo(into);
        try {
            for (long gfn : state.pages()) {
                fifo.words().add(number -> guest.mapAgain(number), gfn);
            }
            for (FifoState.Control saved : state.controls()) {
                Snapshot.require(saved.vcpu() < into.vcpus() && fits(saved.offset()), saved);
                ControlBlock block =
                        new ControlBlock(guest.mapAgain(saved.gfn()), saved.gfn(), saved.offset());
                fifo.control(into.vcpu(saved.vcpu()), block);
            }
        } catch (XenError e) {
            throw new IllegalArgumentException("saved FIFO pages: " + e.symbol(), e);
        }
        for (FifoState.Tail tail : state.tails()) {
            Snapshot.require(fifo.words().has(tail.port()), tail);
            queue(into, fifo, tail.vcpu(), tail.priority()).tail(tail.port());
        }
        for (FifoState.Event event : state.events()) {
            Snapshot.require(event.port() < into.ports.size(), event);
            Snapshot.require(event.priority() < Fifo.PRIORITIES, event);
            Channel channel = into.ports.at(event.port());
            channel.priority = event.priority();
            channel.lastQueue = queue(into, fifo, event.lastVcpu(), event.lastPriority());
            if (event.waiting()) {
                channel.latch();
            }
        }
        return fifo;
    }

    private static boolean fits(int offset) {
        return offset <= GuestMemory.PAGE_SIZE - ControlBlock.SIZE
                && offset % ControlBlock.ALIGNMENT == 0;
    }

    private static FifoQueue queue(Bindings into, Fifo fifo, int vcpu, int priority) {
        boolean exists = vcpu < into.vcpus() && priority < Fifo.PRIORITIES;
        Snapshot.require(exists, "no such queue");
        return fifo.queue(vcpu, priority);
    }
}
