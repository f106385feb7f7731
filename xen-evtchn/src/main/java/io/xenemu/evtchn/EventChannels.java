package io.xenemu.evtchn;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.MemorySegment;

/// The event channels of one domain: the operations of `EVTCHNOP_*` with the results and errors that Xen 4.19 gives
/// (`xen/include/public/event_channel.h`), over the 2-level ABI.
///
/// ## Locks
/// - The *binding lock*, one per domain: whatever binds, moves or closes a port. Two domains are locked in domid order, in
///   [Interdomain] alone.
/// - A monitor per port, below it: send, unmask and raising a VIRQ take just this, so no send waits for one on another
///   port, and close waits for sends on the port that it closes: none of them can hit the port's next user.
///
/// Upcalls, service listeners and [KernelPorts#timerChanged] are called when all locks are released. The other methods of
/// [KernelPorts] are called under the binding lock (or, for `send`, a port's monitor), because the kernel's table has to
/// see the changes of a port in order; [KernelPorts] says what an implementation must not do in return.
///
/// Every method may be called from any thread.
public final class EventChannels {
    /// vCPUs whose `vcpu_info` lies in shared_info until they register one (`XEN_LEGACY_MAX_VCPUS`).
    public static final int LEGACY_VCPUS = 32;

    /// The most vCPUs of a domain; Xen's own limit for HVM guests is lower (`HVM_MAX_VCPUS`, 128).
    public static final int MAX_VCPUS = 4096;

    private static final VcpuId NO_VCPU = new VcpuId(Integer.MAX_VALUE);

    private final DomId domId;
    private final Domains domains;
    private final EventChannelMetrics metrics;
    private final VcpuId[] vcpuIds;
    final Bindings bindings;

    /// The event channels of a new domain: no port is bound.
    ///
    /// @param domId the domain's id
    /// @param vcpus its number of vCPUs, at least 1
    /// @param domains finds other domains by id; asked for this one too
    /// @param kernel the ports that KVM serves by itself, empty at this time
    /// @param upcalls interrupts vCPUs
    /// @param metrics the domain's meters; closed by [#destroy]
    public EventChannels(
            DomId domId,
            int vcpus,
            Domains domains,
            KernelPorts kernel,
            UpcallSink upcalls,
            EventChannelMetrics metrics) {
        this(domId, vcpus, TwoLevel.limit(GuestWidth.BITS_64), domains, kernel, upcalls, metrics);
    }

    EventChannels(
            DomId domId,
            int vcpus,
            int limit,
            Domains domains,
            KernelPorts kernel,
            UpcallSink upcalls,
            EventChannelMetrics metrics) {
        if (vcpus < 1 || vcpus > MAX_VCPUS) {
            throw new IllegalArgumentException("a domain has 1 to 4096 vCPUs: " + vcpus);
        }
        this.domId = domId;
        this.domains = domains;
        this.metrics = metrics;
        this.bindings = new Bindings(domId, vcpus, limit, kernel, upcalls, metrics);
        this.vcpuIds = new VcpuId[vcpus];
        for (int i = 0; i < vcpus; i++) {
            vcpuIds[i] = bindings.vcpu(i).id;
        }
    }

    /// The domain's id.
    public DomId domId() {
        return domId;
    }

    /// The vCPU that a guest named: one that every operation answers with `ENOENT` if the domain does not have it. Allocates
    /// nothing.
    ///
    /// @param raw the 32 bits of the hypercall's argument
    public VcpuId vcpuId(int raw) {
        return Integer.compareUnsigned(raw, vcpuIds.length) < 0 ? vcpuIds[raw] : NO_VCPU;
    }

    // ---- EVTCHNOP_*, for the guest and for the toolstack on its behalf

    /// `EVTCHNOP_alloc_unbound`: a port of this domain to which `remote` may bind. `remote` need not exist.
    ///
    /// @param dom this domain, or `DOMID_SELF`
    /// @return the lowest free port
    /// @throws XenError `ESRCH` no domain `dom`; `EPERM` it is another one; `ENOSPC` all ports in use; `EINVAL` dying
    public EvtchnPort allocUnbound(DomId dom, DomId remote) throws XenError {
        try {
            requireSelf(dom);
            EvtchnPort port = bindings.allocUnbound(isSelf(remote) ? domId : remote, null).port;
            metrics.succeeded(EvtchnOp.ALLOC_UNBOUND);
            return port;
        } catch (XenError e) {
            throw metrics.failed(EvtchnOp.ALLOC_UNBOUND, e);
        }
    }

    /// `EVTCHNOP_bind_interdomain`: connects a new port to a port that another domain (or this one) holds unbound for this
    /// domain. The new port is made pending at once, since a send on the other end may have been dropped before.
    ///
    /// @throws XenError `ESRCH` no domain `remote`; `ENOSPC` all ports in use; `EINVAL` the remote port is invalid, not
    ///     unbound, or for another domain, or this domain is dying
    public EvtchnPort bindInterdomain(DomId remote, EvtchnPort remotePort) throws XenError {
        try {
            EvtchnPort port =
                    Interdomain.bind(bindings, find(remote).bindings, remotePort, null).port;
            metrics.succeeded(EvtchnOp.BIND_INTERDOMAIN);
            return port;
        } catch (XenError e) {
            throw metrics.failed(EvtchnOp.BIND_INTERDOMAIN, e);
        }
    }

    /// `EVTCHNOP_bind_virq`: a new port for a virtual interrupt.
    ///
    /// @throws XenError `EINVAL` a global VIRQ at a vCPU other than 0; `ENOENT` no such vCPU; `EEXIST` already bound at this
    ///     vCPU; `ENOSPC` all ports in use
    public EvtchnPort bindVirq(Virq virq, VcpuId vcpu) throws XenError {
        try {
            EvtchnPort port = bindings.bindVirq(virq, vcpu);
            metrics.succeeded(EvtchnOp.BIND_VIRQ);
            return port;
        } catch (XenError e) {
            throw metrics.failed(EvtchnOp.BIND_VIRQ, e);
        }
    }

    /// `EVTCHNOP_bind_ipi`: a new port on which the domain interrupts its own `vcpu`.
    ///
    /// @throws XenError `ENOENT` no such vCPU; `ENOSPC` all ports in use
    public EvtchnPort bindIpi(VcpuId vcpu) throws XenError {
        try {
            EvtchnPort port = bindings.bindIpi(vcpu);
            metrics.succeeded(EvtchnOp.BIND_IPI);
            return port;
        } catch (XenError e) {
            throw metrics.failed(EvtchnOp.BIND_IPI, e);
        }
    }

    /// `EVTCHNOP_close`: frees the port and clears its pending bit. The other end of an interdomain channel becomes unbound,
    /// for this domain to bind again.
    ///
    /// @throws XenError `EINVAL` the port is invalid, reserved or closed
    public void close(EvtchnPort port) throws XenError {
        try {
            Interdomain.close(bindings, bindings.ports.get(port));
            metrics.succeeded(EvtchnOp.CLOSE);
        } catch (XenError e) {
            throw metrics.failed(EvtchnOp.CLOSE, e);
        }
    }

    /// `EVTCHNOP_send`: signals the other end of an interdomain channel, or the vCPU of an IPI. On an unbound port it does
    /// nothing.
    ///
    /// @throws XenError `EINVAL` the port is invalid, reserved, closed, or for a VIRQ
    public void send(EvtchnPort port) throws XenError {
        try {
            bindings.send(port);
            metrics.succeeded(EvtchnOp.SEND);
        } catch (XenError e) {
            throw metrics.failed(EvtchnOp.SEND, e);
        }
    }

    /// `EVTCHNOP_status`.
    ///
    /// @param dom this domain, or `DOMID_SELF`
    /// @throws XenError `ESRCH` no domain `dom`; `EPERM` it is another one; `EINVAL` the port is invalid
    public EvtchnStatus status(DomId dom, EvtchnPort port) throws XenError {
        try {
            requireSelf(dom);
            EvtchnStatus status = bindings.status(port);
            metrics.succeeded(EvtchnOp.STATUS);
            return status;
        } catch (XenError e) {
            throw metrics.failed(EvtchnOp.STATUS, e);
        }
    }

    /// `EVTCHNOP_bind_vcpu`: lets the port notify another vCPU from the next event on.
    ///
    /// @throws XenError `ENOENT` no such vCPU; `EINVAL` the port is invalid, closed, for an IPI or for a per-vCPU VIRQ
    public void bindVcpu(EvtchnPort port, VcpuId vcpu) throws XenError {
        try {
            bindings.bindVcpu(port, vcpu);
            metrics.succeeded(EvtchnOp.BIND_VCPU);
        } catch (XenError e) {
            throw metrics.failed(EvtchnOp.BIND_VCPU, e);
        }
    }

    /// `EVTCHNOP_unmask`: clears the port's mask bit and announces an event that is pending. The port may be closed.
    ///
    /// @throws XenError `EINVAL` the port is invalid
    public void unmask(EvtchnPort port) throws XenError {
        try {
            bindings.unmask(port);
            metrics.succeeded(EvtchnOp.UNMASK);
        } catch (XenError e) {
            throw metrics.failed(EvtchnOp.UNMASK, e);
        }
    }

    /// `EVTCHNOP_reset`: closes every port, those of the console and XenStore too.
    ///
    /// @param dom this domain, or `DOMID_SELF`
    /// @throws XenError `ESRCH` no domain `dom`; `EPERM` it is another one
    public void reset(DomId dom) throws XenError {
        try {
            requireSelf(dom);
            bindings.reset();
            metrics.succeeded(EvtchnOp.RESET);
        } catch (XenError e) {
            throw metrics.failed(EvtchnOp.RESET, e);
        }
    }

    /// `EVTCHNOP_init_control`: refused, so that guests stay with the 2-level ABI, which the kernel serves.
    ///
    /// @throws XenError always, `ENOSYS` as from a Xen older than the FIFO ABI
    public void initControl() throws XenError {
        refuse(EvtchnOp.INIT_CONTROL);
    }

    /// `EVTCHNOP_expand_array`.
    ///
    /// @throws XenError always, `ENOSYS` as from a Xen older than the FIFO ABI
    public void expandArray() throws XenError {
        refuse(EvtchnOp.EXPAND_ARRAY);
    }

    /// `EVTCHNOP_set_priority`: the 2-level ABI has no priorities.
    ///
    /// @throws XenError always; `EINVAL` the port is invalid, else `ENOSYS`
    public void setPriority(EvtchnPort port) throws XenError {
        boolean valid = bindings.isValid(port);
        throw metrics.failed(EvtchnOp.SET_PRIORITY, valid ? XenError.ENOSYS : XenError.EINVAL);
    }

    private void refuse(EvtchnOp op) throws XenError {
        throw metrics.failed(op, XenError.ENOSYS);
    }

    // ---- for the service

    /// Raises a virtual interrupt, if the guest has bound it.
    ///
    /// @param vcpu for a per-vCPU VIRQ, whose it is; ignored for a global one
    public void raiseVirq(Virq virq, VcpuId vcpu) {
        bindings.raiseVirq(virq, vcpu);
    }

    /// The port of the vCPU's `VIRQ_TIMER`, for the kernel's timer; [EvtchnPort#NONE] if it is not bound.
    public EvtchnPort timerPort(VcpuId vcpu) {
        return EvtchnPort.of(bindings.vcpu(vcpu.value()).virqPorts.get(Virq.TIMER.number()));
    }

    /// Gives the domain its shared_info page, or another layout of it. Events before the first call are lost: the page
    /// belongs to the domain from its creation on, whether or not the guest has mapped it yet. vCPUs below
    /// [#LEGACY_VCPUS] that have registered no other place are notified in this page from here on.
    ///
    /// @param page the shared_info structure, 8-byte aligned; read and written at any later time
    /// @param width selects the layout and the number of ports: 4096 (64-bit) or 1024 (32-bit)
    public void setSharedInfo(MemorySegment page, GuestWidth width) {
        bindings.setSharedInfo(page, width);
    }

    /// `VCPUOP_register_vcpu_info`: the vCPU is notified in another place from here on. Call it after the kernel has been
    /// told (`KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO`), so that an event the kernel raises meanwhile is seen here.
    ///
    /// No event gets lost: whatever is pending, unmasked and bound to this vCPU is announced in the new place. Xen achieves
    /// that by setting all of `evtchn_pending_sel` and `evtchn_upcall_pending`. That would not do here, because a vCPU whose
    /// local APIC is not enabled yet would lose the upcall and then never get another, KVM injecting one only when a
    /// selector bit changes from 0 to 1.
    ///
    /// @param memory `struct vcpu_info`: 64 bytes, 4-byte aligned
    /// @throws XenError `ENOENT` no such vCPU; `EINVAL` already registered; `ENXIO` misaligned
    public void setVcpuInfo(VcpuId vcpu, MemorySegment memory) throws XenError {
        bindings.setVcpuInfo(vcpu, memory);
    }

    /// Whether the vCPU has registered its `vcpu_info`, which it may do once.
    ///
    /// @throws XenError `ENOENT` no such vCPU
    public boolean isVcpuInfoRegistered(VcpuId vcpu) throws XenError {
        return bindings.require(vcpu).registered;
    }

    /// Whether an event is pending on the port, masked or not; for `SCHEDOP_poll`.
    ///
    /// @throws XenError `EINVAL` the port is invalid
    public boolean isPending(EvtchnPort port) throws XenError {
        return bindings.isPending(port);
    }

    /// Whether the vCPU has not yet taken its last upcall.
    public boolean isUpcallPending(VcpuId vcpu) {
        VcpuInfo info = bindings.vcpu(vcpu.value()).info;
        return info != null && info.isUpcallPending();
    }

    /// Announces every event that is pending and unmasked, at its vCPU, and upcalls every vCPU that has not taken its last
    /// upcall. For use after a restore: the kernel may have held announcements that it had not written to guest memory yet,
    /// and an upcall may have been on its way.
    public void announcePending() {
        bindings.announcePending();
    }

    /// Fills the kernel's table and timers from this one. For use after a restore.
    public void rebuildKernelPorts() {
        bindings.rebuildKernelPorts();
    }

    /// Ends the domain: closes every port, empties the kernel's table, removes the meters. Nothing can be bound afterwards.
    public void destroy() {
        bindings.destroy();
        metrics.close();
    }

    /// The state of every port.
    public EventChannelsState save() {
        return Snapshot.save(bindings);
    }

    /// The event channels of a saved domain. Channels to other domains come back unbound, for the same remote domain to bind
    /// again: the other ends are not part of this state. The kernel's table is empty until [#rebuildKernelPorts].
    ///
    /// @throws IllegalArgumentException if the state contradicts itself
    public static EventChannels restore(
            EventChannelsState state,
            Domains domains,
            KernelPorts kernel,
            UpcallSink upcalls,
            EventChannelMetrics metrics) {
        EventChannels restored =
                new EventChannels(state.domId(), state.vcpus(), domains, kernel, upcalls, metrics);
        Snapshot.load(restored.bindings, state);
        return restored;
    }

    EventChannels find(DomId id) throws XenError {
        if (isSelf(id)) {
            return this;
        }
        EventChannels found = domains.find(id);
        if (found == null) {
            throw XenError.ESRCH;
        }
        return found;
    }

    private void requireSelf(DomId id) throws XenError {
        if (find(id) != this) {
            throw XenError.EPERM;
        }
    }

    private boolean isSelf(DomId id) {
        return id.equals(DomId.SELF) || id.equals(domId);
    }
}
