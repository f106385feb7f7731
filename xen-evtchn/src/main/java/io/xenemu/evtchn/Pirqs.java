package io.xenemu.evtchn;

import io.xenemu.kvm.abi.XenError;
import java.util.concurrent.atomic.AtomicIntegerArray;

/// The PIRQs of one domain: interrupts of the VMM's devices that the guest receives as events instead of through its
/// interrupt controllers. Holds the operations of `physdev_op` (`xen/include/public/physdev.h`; core decodes the
/// arguments) and the methods with which devices raise PIRQs. [EventChannels#bindPirq] gives them ports.
///
/// | a PIRQ is | by | raised with |
/// |---|---|---|
/// | free | | |
/// | allocated | [#allocate], for a message that the guest will program | |
/// | a message | the first [#raiseMsi], or [#mapMsi] | [#raiseMsi] |
/// | a GSI | [#mapGsi] | [#setGsi] |
///
/// A GSI that has a PIRQ with a port does not reach the I/O APIC (Xen's `hvm_domain_use_pirq`). GSIs from 16 on are
/// level-triggered: the event is raised when the line goes up, and again at every [#eoi] while it stays up.
///
/// Every method may be called from any thread.
public final class Pirqs {
    /// Pins of the I/O APIC, and so GSIs that can have a PIRQ.
    public static final int GSIS = 24;

    /// The default number of PIRQs: as many as the destination field of an MSI address can name.
    public static final int DEFAULT = 256;

    /// The most PIRQs of a domain, which keeps its table small.
    public static final int MAX = 4096;

    private final Bindings owner;

    private final PirqTable table;

    /// 1 for each GSI whose line is up.
    private final AtomicIntegerArray lines = new AtomicIntegerArray(GSIS);

    Pirqs(Bindings owner) {
        this.owner = owner;
        this.table = new PirqTable(owner.options.pirqs());
    }

    /// The number of PIRQs; this number and higher ones are `EINVAL`.
    public int count() {
        return table.count();
    }

    private static void requireGsi(int gsi) {
        if (gsi < 0 || gsi >= GSIS) {
            throw new IllegalArgumentException("GSI out of range: " + gsi);
        }
    }

    // ---- physdev_op

    /// `PHYSDEVOP_map_pirq` of type `MAP_PIRQ_TYPE_GSI`, for the calling domain.
    ///
    /// If the PIRQ or the GSI is already mapped to another, Xen changes nothing and reports success; so does this. One
    /// difference: a guest that leaves the choice of the PIRQ to the hypervisor gets the PIRQ that the GSI has. Xen
    /// invents one that never fires.
    ///
    /// @param gsi the `index` of the argument
    /// @param pirq the PIRQ; negative for any
    /// @return the PIRQ
    /// @throws XenError `EINVAL` no such GSI or PIRQ, or none free
    public Pirq mapGsi(int gsi, int pirq) throws XenError {
        if (gsi < 0 || gsi >= GSIS) {
            throw XenError.EINVAL;
        }
        owner.lock.lock();
        try {
            int mapped = table.pirqOfGsi(gsi);
            int wanted = pirq;
            if (pirq < 0) {
                wanted = mapped != PirqTable.FREE ? mapped : table.next(PirqTable.TYPE_GSI);
            }
            if (!table.exists(wanted)) {
                throw XenError.EINVAL;
            }
            int source = table.source(wanted);
            boolean unused = source == PirqTable.FREE || source == PirqTable.ALLOCATED;
            if (mapped == PirqTable.FREE && unused) {
                table.source(wanted, gsi);
                owner.kernelTable.routeGsi(gsi);
            }
            return new Pirq(wanted);
        } finally {
            owner.lock.unlock();
        }
    }

    /// `PHYSDEVOP_unmap_pirq` for the calling domain. A bound port stays bound but gets no more events. As in Xen, it
    /// is no error if the PIRQ is not mapped. An allocated PIRQ becomes free; in Xen it never does.
    public void unmap(Pirq pirq) {
        if (!table.exists(pirq.value())) {
            return;
        }
        owner.lock.lock();
        try {
            Channel channel = owner.ports.find(table.port(pirq.value()));
            if (isMsi(pirq) && channel != null) {
                owner.kernelTable.deassign(channel);
            }
            int source = table.source(pirq.value());
            table.source(pirq.value(), PirqTable.FREE);
            if (source >= 0) {
                owner.kernelTable.routeGsi(source);
            }
        } finally {
            owner.lock.unlock();
        }
    }

    /// `PHYSDEVOP_eoi`: the guest has served the interrupt. If the line of a level-triggered GSI is still up, it is
    /// raised again.
    ///
    /// @throws XenError `EINVAL` there is no such PIRQ, or it is neither mapped nor allocated nor bound
    public void eoi(Pirq pirq) throws XenError {
        if (!table.exists(pirq.value())) {
            throw XenError.EINVAL;
        }
        int source = table.source(pirq.value());
        if (source == PirqTable.FREE && table.port(pirq.value()).equals(EvtchnPort.NONE)) {
            throw XenError.EINVAL;
        }
        if (isLevel(source) && isAsserted(source)) {
            raise(pirq.value());
        }
    }

    /// `PHYSDEVOP_irq_status_query`: whether the guest has to end the interrupt with [#eoi] (`XENIRQSTAT_needs_eoi`).
    /// As in Xen, this is so for every mapped PIRQ; none is shared (`XENIRQSTAT_shared`).
    ///
    /// @throws XenError `EINVAL` there is no such PIRQ, or it is not mapped
    public boolean needsEoi(Pirq pirq) throws XenError {
        if (!table.exists(pirq.value())) {
            throw XenError.EINVAL;
        }
        int source = table.source(pirq.value());
        if (source < 0 && source != PirqTable.MSI) {
            throw XenError.EINVAL;
        }
        return true;
    }

    /// `PHYSDEVOP_get_free_pirq`: reserves a PIRQ, lowest first for a GSI, else highest first.
    ///
    /// @param type `MAP_PIRQ_TYPE_*`
    /// @throws XenError `ENOSPC` if none is free
    public Pirq allocate(int type) throws XenError {
        owner.lock.lock();
        try {
            int pirq = table.next(type);
            if (pirq < 0) {
                throw XenError.ENOSPC;
            }
            table.source(pirq, PirqTable.ALLOCATED);
            return new Pirq(pirq);
        } finally {
            owner.lock.unlock();
        }
    }

    // ---- EVTCHNOP_bind_pirq and close

    EvtchnPort bind(Pirq pirq) throws XenError {
        if (!table.exists(pirq.value())) {
            throw XenError.EINVAL;
        }
        Channel channel;
        owner.lock.lock();
        try {
            if (!table.port(pirq.value()).equals(EvtchnPort.NONE)) {
                throw XenError.EEXIST;
            }
            channel = owner.allocate();
            synchronized (channel) {
                channel.pirq = pirq;
                owner.retype(channel, ChannelType.PIRQ);
            }
            table.port(pirq.value(), channel.port);
            owner.kernelTable.assign(channel);
            portChanged(pirq);
        } finally {
            owner.lock.unlock();
        }
        // A line that went up before the port was bound does not go up again, so raise it now.
        int source = table.source(pirq.value());
        if (isLevel(source) && isAsserted(source)) {
            raise(pirq.value());
        }
        return channel.port;
    }

    /// Removes the PIRQ's port, which is being closed. The caller holds the binding lock.
    void unbind(Pirq pirq) {
        table.port(pirq.value(), EvtchnPort.NONE);
        portChanged(pirq);
    }

    private void portChanged(Pirq pirq) {
        int source = table.source(pirq.value());
        if (source >= 0) {
            owner.kernelTable.routeGsi(source);
        }
    }

    boolean isMsi(Pirq pirq) {
        return table.source(pirq.value()) == PirqTable.MSI;
    }

    // ---- for devices

    /// Sets a GSI's line, which combines all devices on it.
    ///
    /// @param gsi 0 to [#GSIS] - 1
    /// @return whether the GSI has a PIRQ with a port: then the I/O APIC must not see the line
    public boolean setGsi(int gsi, boolean up) {
        requireGsi(gsi);
        boolean rises = lines.getAndSet(gsi, up ? 1 : 0) == 0 && up;
        int pirq = table.pirqOfGsi(gsi);
        if (pirq == PirqTable.FREE) {
            return false;
        }
        if (rises) {
            raise(pirq);
        }
        return !table.port(pirq).equals(EvtchnPort.NONE);
    }

    /// Whether a GSI has a PIRQ.
    public boolean isMapped(int gsi) {
        requireGsi(gsi);
        return table.pirqOfGsi(gsi) != PirqTable.FREE;
    }

    /// Whether the line of a GSI reaches the guest as events: it has a PIRQ with a port.
    public boolean isEvent(int gsi) {
        requireGsi(gsi);
        int pirq = table.pirqOfGsi(gsi);
        return pirq != PirqTable.FREE && !table.port(pirq).equals(EvtchnPort.NONE);
    }

    /// Raises the event of a GSI whose level is not known here: at the guest's [#eoi], others look whether the line is
    /// still up.
    ///
    /// @return whether the GSI has a PIRQ with a port
    public boolean raiseGsi(int gsi) {
        requireGsi(gsi);
        int pirq = table.pirqOfGsi(gsi);
        if (pirq == PirqTable.FREE) {
            return false;
        }
        raise(pirq);
        return !table.port(pirq).equals(EvtchnPort.NONE);
    }

    /// The GSI to which a PIRQ is mapped; -1 if it is mapped to none.
    public int gsi(Pirq pirq) {
        return table.exists(pirq.value()) ? Math.max(table.source(pirq.value()), -1) : -1;
    }

    /// A device's message names this PIRQ (vector 0, the PIRQ in the destination): from now on the kernel may deliver
    /// it, see [KernelPorts#routePirq].
    ///
    /// @throws XenError `EINVAL` there is no such PIRQ, or it is 0, or mapped to a GSI
    public void mapMsi(Pirq pirq) throws XenError {
        if (!table.exists(pirq.value()) || pirq.value() == 0) {
            throw XenError.EINVAL;
        }
        if (table.source(pirq.value()) == PirqTable.MSI) {
            return;
        }
        owner.lock.lock();
        try {
            if (table.source(pirq.value()) >= 0) {
                throw XenError.EINVAL;
            }
            boolean first = !isMsi(pirq);
            table.source(pirq.value(), PirqTable.MSI);
            Channel channel = owner.ports.find(table.port(pirq.value()));
            if (first && channel != null && channel.type == ChannelType.PIRQ) {
                owner.kernelTable.assign(channel);
            }
        } finally {
            owner.lock.unlock();
        }
    }

    /// Raises the PIRQ that a device's message names.
    ///
    /// @throws XenError as [#mapMsi]
    public void raiseMsi(Pirq pirq) throws XenError {
        mapMsi(pirq);
        raise(pirq.value());
    }

    /// Removes every mapping, as Xen does at a soft reset. Ports stay bound.
    public void reset() {
        for (int i = 0; i < count(); i++) {
            unmap(new Pirq(i));
        }
    }

    // ---- saved state

    PirqsState save() {
        int asserted = 0;
        for (int i = 0; i < GSIS; i++) {
            asserted |= lines.get(i) << i;
        }
        return new PirqsState(table.save(), asserted);
    }

    /// Fills a new table.
    ///
    /// @throws IllegalArgumentException if the state contradicts itself
    void load(PirqsState state) {
        table.load(state.sources());
        Snapshot.require(state.assertedGsis() >>> GSIS == 0, "lines of GSIs that do not exist");
        for (int i = 0; i < GSIS; i++) {
            lines.set(i, state.assertedGsis() >>> i & 1);
        }
    }

    /// Restores a PIRQ's port.
    ///
    /// @return false if there is no such PIRQ, or it has a port already
    boolean restored(Pirq pirq, EvtchnPort port) {
        boolean free =
                table.exists(pirq.value()) && table.port(pirq.value()).equals(EvtchnPort.NONE);
        if (free) {
            table.port(pirq.value(), port);
        }
        return free;
    }

    private static boolean isLevel(int source) {
        return source >= PirqTable.ISA_IRQS;
    }

    private boolean isAsserted(int gsi) {
        return lines.get(gsi) != 0;
    }

    private void raise(int pirq) {
        Channel channel = owner.ports.find(table.port(pirq));
        if (channel == null) {
            return;
        }
        Vcpu due;
        synchronized (channel) {
            // The channel may have been closed and its port reused since it was found.
            Pirq bound = channel.pirq;
            due = bound != null && bound.value() == pirq ? owner.delivery.raise(channel) : null;
        }
        owner.delivery.upcall(due);
    }
}
