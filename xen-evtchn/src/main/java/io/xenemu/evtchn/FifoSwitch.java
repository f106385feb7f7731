package io.xenemu.evtchn;

import io.xenemu.kvm.abi.XenError;
import java.util.BitSet;

/// Switches one domain between the 2-level and the FIFO ABI without losing an event.
final class FifoSwitch {
    private final Bindings owner;
    private final GuestPages pages;

    FifoSwitch(Bindings owner, GuestPages pages) {
        this.owner = owner;
        this.pages = pages;
    }

    /// Gives a vCPU its control block. The first one of the domain switches the domain to the FIFO ABI.
    ///
    /// @param offset of the block in the page, checked by the caller
    /// @throws XenError `EINVAL` the vCPU has a control block, or there is no such page
    void initControl(Vcpu vcpu, long gfn, int offset) throws XenError {
        Fifo entered = null;
        owner.lock.lock();
        try {
            ControlBlock block = new ControlBlock(pages.map(gfn), gfn, offset);
            Fifo current = owner.delivery.fifo();
            Fifo queues = current != null ? current : new Fifo(owner);
            queues.control(vcpu, block);
            if (current == null) {
                entered = queues;
                enter(queues);
            }
        } finally {
            owner.lock.unlock();
        }
        if (entered != null) {
            // Until this call, the kernel's timers raise 2-level events.
            owner.virqs.timersChanged(true);
            carryOver(entered);
        }
    }

    /// Starts the FIFO ABI: events are queued from now on, or latched while they have no event word. The caller holds
    /// the binding lock.
    private void enter(Fifo queues) {
        for (int i = 1; i < owner.ports.size(); i++) {
            Channel channel = owner.ports.at(i);
            channel.priority = Fifo.DEFAULT_PRIORITY;
            channel.lastQueue = null;
            channel.takeLatch();
        }
        owner.kernelTable.fifo(true);
        owner.delivery.fifo(queues);
    }

    /// Moves pending events from the bitmaps to the queues. Clears their bits, which Xen does not do. There the first
    /// event of a port is lost when the domain goes back to the 2-level ABI.
    private void carryOver(Fifo queues) {
        for (int i = 1; i < owner.ports.size(); i++) {
            Interdomain.refreshDoorbell(owner.ports.at(i));
        }
        BitSet due = new BitSet();
        owner.lock.lock();
        try {
            TwoLevel bitmaps = owner.delivery.shared();
            // Skipped if the guest has reset meanwhile.
            if (bitmaps != null && owner.delivery.fifo() == queues) {
                carryOver(bitmaps, queues, due);
            }
        } finally {
            owner.lock.unlock();
        }
        owner.delivery.upcall(due);
    }

    private void carryOver(TwoLevel bitmaps, Fifo queues, BitSet due) {
        for (int i = 1; i < owner.ports.size(); i++) {
            Channel channel = owner.ports.at(i);
            awaitSenders(channel);
            if (bitmaps.takePending(i)) {
                raise(queues, channel, due);
            }
        }
    }

    private void raise(Fifo queues, Channel channel, BitSet due) {
        int vcpu = channel.vcpu;
        if (queues.setPending(channel, owner.vcpu(vcpu))) {
            due.set(vcpu);
        }
    }

    /// Waits until no thread sends to this channel by the former ABI. Such a thread has held one of these monitors
    /// since before it read the ABI.
    private static void awaitSenders(Channel channel) {
        Channel remote = channel.remote;
        synchronized (channel) {
            // Empty: only waits.
        }
        if (remote != null) {
            synchronized (remote) {
                // Empty: only waits.
            }
        }
    }

    /// Adds a page of event words, and raises the events that waited for it.
    ///
    /// @throws XenError `EOPNOTSUPP` not in the FIFO ABI; `ENOSPC` all pages exist already; `EINVAL` no such page
    void expandArray(long gfn) throws XenError {
        BitSet due = new BitSet();
        owner.lock.lock();
        try {
            Fifo queues = owner.delivery.fifo();
            if (queues == null) {
                throw XenError.EOPNOTSUPP;
            }
            int first = queues.words().size();
            queues.words().add(pages, gfn);
            int end = Math.min(queues.words().size(), owner.ports.size());
            for (int i = first; i < end; i++) {
                Channel channel = owner.ports.at(i);
                if (channel.takeLatch()) {
                    raise(queues, channel, due);
                }
            }
        } finally {
            owner.lock.unlock();
        }
        owner.delivery.upcall(due);
    }

    /// Switches a restored domain to the FIFO ABI, in which it was saved. The caller holds the binding lock.
    void restored(Fifo queues) {
        owner.kernelTable.fifo(true);
        owner.delivery.fifo(queues);
    }

    /// Goes back to the 2-level ABI. The caller holds the binding lock, and no port is bound.
    void leave() {
        if (owner.delivery.fifo() != null) {
            owner.delivery.fifo(null);
            owner.kernelTable.fifo(false);
        }
    }
}
