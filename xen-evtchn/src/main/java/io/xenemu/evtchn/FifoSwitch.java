package io.xenemu.evtchn;

import io.xenemu.kvm.abi.XenError;
import java.util.BitSet;

/// The way of one domain between the 2-level and the FIFO ABI, on which no event may be lost.
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
    /// @throws XenError `EINVAL` the vCPU has one, or there is no such page
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
            // The kernel's timers raise events as 2-level ones, up to here.
            owner.virqs.timersChanged(true);
            carryOver(entered);
        }
    }

    /// From here on events are queued or, there being no event words yet, remembered. For the holder of the binding lock.
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

    /// Brings what is pending in the bitmaps into the queues. The bits are cleared, which Xen does not do: there the first
    /// event of a port would be lost when the domain uses it again in the 2-level ABI.
    private void carryOver(Fifo queues) {
        for (int i = 1; i < owner.ports.size(); i++) {
            Interdomain.refreshDoorbell(owner.ports.at(i));
        }
        BitSet due = new BitSet();
        owner.lock.lock();
        try {
            TwoLevel bitmaps = owner.delivery.shared();
            // Unless the guest has been reset meanwhile.
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

    /// When it returns, nobody sends to this channel by the former ABI any more: who does has held one of these monitors
    /// since before it looked for the ABI.
    private static void awaitSenders(Channel channel) {
        Channel remote = channel.remote;
        synchronized (channel) {
            // Just to have waited.
        }
        if (remote != null) {
            synchronized (remote) {
                // Just to have waited.
            }
        }
    }

    /// Adds a page of event words, and brings the events that have waited for it.
    ///
    /// @throws XenError `EOPNOTSUPP` not in the FIFO ABI; `ENOSPC` all pages are there; `EINVAL` no such page
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

    /// The saved domain had switched. For the holder of the binding lock.
    void restored(Fifo queues) {
        owner.kernelTable.fifo(true);
        owner.delivery.fifo(queues);
    }

    /// Back to the 2-level ABI. For the holder of the binding lock, when no port is bound.
    void leave() {
        if (owner.delivery.fifo() != null) {
            owner.delivery.fifo(null);
            owner.kernelTable.fifo(false);
        }
    }
}
