package io.xenemu.evtchn;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.MemorySegment;

/// The event channels of one domain: the operations of `EVTCHNOP_*` with the results and errors that Xen 4.19 gives
/// (`xen/include/public/event_channel.h`), over the 2-level ABI or, where it is allowed, the FIFO ABI.
///
/// ## Locks
/// - The *binding lock*, one per domain: whatever binds, moves or closes a port. Two domains are locked in domid order, in
///   [Interdomain] alone.
/// - A monitor per port, below it: send, unmask and raising a VIRQ or PIRQ take just this, so no send waits for one on
///   another port, and close waits for sends on the port that it closes: none of them can hit the port's next user.
/// - With FIFO, a monitor per queue, below that.
///
/// Upcalls, service listeners and [KernelPorts#timerChanged] are called when all locks are released. The other methods of
/// [KernelPorts] are called under the binding lock (or, for `send`, a port's monitor), because the kernel's table has to
/// see the changes of a port in order; [KernelPorts] says what an implementation must not do in return.
///
/// ## Whose failures
/// What a domain's kernel, upcalls or memory throw is told to that domain's [EventEnvironment#failed], not to the caller, who may be
/// another domain that sends or closes. A [ServiceListener] serves the domain that sends, and fails in its thread.
///
/// Every method may be called from any thread.
public final class EventChannels {
    /// vCPUs whose `vcpu_info` lies in shared_info until they register one (`XEN_LEGACY_MAX_VCPUS`).
    public static final int LEGACY_VCPUS = 32;

    /// The most vCPUs of a domain; Xen's own limit for HVM guests is lower (`HVM_MAX_VCPUS`, 128).
    public static final int MAX_VCPUS = 4096;

    /// Bytes of a guest page.
    static final int PAGE_SIZE = 4096;

    private static final VcpuId NO_VCPU = new VcpuId(Integer.MAX_VALUE);

    private final DomId domId;
    private final Domains domains;
    private final EventChannelMetrics metrics;
    private final VcpuId[] vcpuIds;
    final Bindings bindings;

    /// The event channels of a new domain: no port is bound.
    ///
    /// @param domId the domain's id
    /// @param options what it may use
    /// @param environment what it works with
    /// @param metrics the domain's meters; closed by [#destroy]
    public EventChannels(
            DomId domId,
            EvtchnOptions options,
            EventEnvironment environment,
            EventChannelMetrics metrics) {
        this.domId = domId;
        this.domains = environment.domains();
        this.metrics = metrics;
        this.bindings = new Bindings(domId, options, environment, metrics);
        this.vcpuIds = new VcpuId[options.vcpus()];
        for (int i = 0; i < vcpuIds.length; i++) {
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
        requireSelf(dom);
        return bindings.allocUnbound(isSelf(remote) ? domId : remote, null).port;
    }

    /// `EVTCHNOP_bind_interdomain`: connects a new port to a port that another domain (or this one) holds unbound for this
    /// domain. The new port is made pending at once, since a send on the other end may have been dropped before.
    ///
    /// @throws XenError `ESRCH` no domain `remote`; `ENOSPC` all ports in use; `EINVAL` the remote port is invalid, not
    ///     unbound, or for another domain, or this domain is dying
    public EvtchnPort bindInterdomain(DomId remote, EvtchnPort remotePort) throws XenError {
        return Interdomain.bind(bindings, find(remote).bindings, remotePort, null).port;
    }

    /// `EVTCHNOP_bind_virq`: a new port for a virtual interrupt.
    ///
    /// @throws XenError `EINVAL` a global VIRQ at a vCPU other than 0; `ENOENT` no such vCPU; `EEXIST` already bound at this
    ///     vCPU; `ENOSPC` all ports in use
    public EvtchnPort bindVirq(Virq virq, VcpuId vcpu) throws XenError {
        return bindings.virqs.bind(virq, vcpu);
    }

    /// `EVTCHNOP_bind_pirq`: a new port for an interrupt, at vCPU 0 at first. As in Xen it need not be mapped yet, and for
    /// a guest that is no PV domain the flags (`BIND_PIRQ__WILL_SHARE`) mean nothing.
    ///
    /// @param flags any 32 bits
    /// @throws XenError `EINVAL` no such PIRQ; `EEXIST` it has a port; `ENOSPC` all ports in use
    public EvtchnPort bindPirq(Pirq pirq, int flags) throws XenError {
        return bindings.pirqs.bind(pirq);
    }

    /// `EVTCHNOP_bind_ipi`: a new port on which the domain interrupts its own `vcpu`.
    ///
    /// @throws XenError `ENOENT` no such vCPU; `ENOSPC` all ports in use
    public EvtchnPort bindIpi(VcpuId vcpu) throws XenError {
        return bindings.bindIpi(vcpu);
    }

    /// `EVTCHNOP_close`: frees the port and clears its pending bit. The other end of an interdomain channel becomes unbound,
    /// for this domain to bind again.
    ///
    /// @throws XenError `EINVAL` the port is invalid, reserved or closed
    public void close(EvtchnPort port) throws XenError {
        Interdomain.close(bindings, bindings.ports.get(port));
    }

    /// `EVTCHNOP_send`: signals the other end of an interdomain channel, or the vCPU of an IPI. On an unbound port it does
    /// nothing.
    ///
    /// @throws XenError `EINVAL` the port is invalid, reserved, closed, or for a VIRQ or PIRQ
    public void send(EvtchnPort port) throws XenError {
        bindings.send(port);
    }

    /// `EVTCHNOP_status`. As in Xen the port is looked for in `dom` before the caller's right to know of it.
    ///
    /// @param dom this domain, or `DOMID_SELF`
    /// @throws XenError `ESRCH` no domain `dom`; `EINVAL` the port is invalid in it; `EPERM` it is another one
    public EvtchnStatus status(DomId dom, EvtchnPort port) throws XenError {
        Channel _ = find(dom).bindings.ports.get(port);
        requireSelf(dom);
        return bindings.status(port);
    }

    /// `EVTCHNOP_bind_vcpu`: lets the port notify another vCPU from the next event on.
    ///
    /// @throws XenError `ENOENT` no such vCPU; `EINVAL` the port is invalid, closed, for an IPI or for a per-vCPU VIRQ
    public void bindVcpu(EvtchnPort port, VcpuId vcpu) throws XenError {
        bindings.bindVcpu(port, vcpu);
    }

    /// `EVTCHNOP_unmask`: clears the port's mask bit and announces an event that is pending. Nothing happens to a closed
    /// port: its mask bit stays.
    ///
    /// @throws XenError `EINVAL` the port is invalid
    public void unmask(EvtchnPort port) throws XenError {
        bindings.delivery.unmask(port);
    }

    /// `EVTCHNOP_reset`: closes every port, those of the console and XenStore too, and goes back to the 2-level ABI. Xen's
    /// `EVTCHNOP_reset_cont`, by which it interrupts itself, is its own affair.
    ///
    /// @param dom this domain, or `DOMID_SELF`
    /// @throws XenError `ESRCH` no domain `dom`; `EPERM` it is another one; `EBUSY` another vCPU is at it; `EAGAIN`
    ///     another vCPU bound a port meanwhile, which stays
    public void reset(DomId dom) throws XenError {
        requireSelf(dom);
        bindings.reset();
    }

    /// `EVTCHNOP_init_control`: tells the place of the vCPU's FIFO control block. The domain's first call switches it to the
    /// FIFO ABI: events that are pending then wait for [#expandArray], every port has priority 7, and the kernel serves
    /// just what needs no delivery of events. Only [#reset] leads back.
    ///
    /// @param gfn the page
    /// @param offset in it, 32 bits
    /// @return the number of bits in a link, which is 17
    /// @throws XenError `ENOSYS` the domain is not allowed FIFO, answered as by a Xen that has none; `ENOENT` no such vCPU;
    ///     `EINVAL` the block is misaligned or does not fit in the page, there is no such page, or the vCPU has a block
    public int initControl(VcpuId vcpu, long gfn, int offset) throws XenError {
        requireFifo();
        Vcpu notified = bindings.require(vcpu);
        if (Integer.compareUnsigned(offset, PAGE_SIZE - ControlBlock.SIZE) > 0
                || offset % ControlBlock.ALIGNMENT != 0) {
            throw XenError.EINVAL;
        }
        bindings.fifoSwitch.initControl(notified, gfn, offset);
        return EventArray.LINK_BITS;
    }

    /// `EVTCHNOP_expand_array`: adds a page of 1024 event words. Events that have waited for it are raised.
    ///
    /// @throws XenError `ENOSYS` the domain is not allowed FIFO; `EOPNOTSUPP` no [#initControl] before; `ENOSPC` there
    ///     are 128 pages already; `EINVAL` no such page
    public void expandArray(long gfn) throws XenError {
        requireFifo();
        bindings.fifoSwitch.expandArray(gfn);
    }

    /// `EVTCHNOP_set_priority`: of the port's events from the next one on.
    ///
    /// @param priority 0, the most urgent, to 15; 32 bits
    /// @throws XenError `EINVAL` the port is invalid; `ENOSYS` the domain uses the 2-level ABI, which has none; `EACCES` the
    ///     port is closed; `EINVAL` the priority is invalid
    public void setPriority(EvtchnPort port, int priority) throws XenError {
        bindings.setPriority(port, priority);
    }

    private void requireFifo() throws XenError {
        if (!bindings.options.fifo()) {
            throw XenError.ENOSYS;
        }
    }

    // ---- for the service

    /// Raises a global virtual interrupt.
    ///
    /// @return whether the guest has bound it
    public boolean raiseGlobal(Virq virq) {
        if (!virq.isGlobal()) {
            throw new IllegalArgumentException("of one vCPU: " + virq);
        }
        return bindings.virqs.raise(virq, 0);
    }

    /// Raises a virtual interrupt of one vCPU.
    ///
    /// @return whether the guest has bound it there
    public boolean raiseVcpu(Virq virq, VcpuId vcpu) {
        if (virq.isGlobal()) {
            throw new IllegalArgumentException("global: " + virq);
        }
        return bindings.virqs.raise(virq, vcpu.value());
    }

    /// The interrupts of the VMM's devices that the guest takes as events.
    public Pirqs pirqs() {
        return bindings.pirqs;
    }

    /// Whether the guest has switched to the FIFO ABI. The kernel's EVTCHN_SEND, timers and SCHEDOP_poll know just the
    /// 2-level ABI and must not be used then.
    public boolean isFifo() {
        return bindings.delivery.fifo() != null;
    }

    /// Whether the kernel is left to deliver events. If not, the guest's timers are user space's.
    public boolean isKernelDelivering() {
        return bindings.kernelTable.delivers();
    }

    /// [KernelPorts#notifiesVcpus] may have another answer now. When this returns, the kernel's table follows from it; what
    /// the kernel has delivered before may need an upcall. Not to be called with a lock held that a vCPU's thread may wait
    /// for.
    public void kernelDeliveryChanged() {
        bindings.kernelDeliveryChanged();
    }

    /// The port of the vCPU's `VIRQ_TIMER`, for the kernel's timer; [EvtchnPort#NONE] if it is not bound, or if the kernel
    /// cannot raise it: it is not left to deliver events, or the port is beyond the 2-level ABI's.
    public EvtchnPort timerPort(VcpuId vcpu) {
        int port = bindings.vcpu(vcpu.value()).virqPorts.get(Virq.TIMER.number());
        boolean deliverable = isKernelDelivering() && port < bindings.delivery.kernelLimit();
        return deliverable ? EvtchnPort.of(port) : EvtchnPort.NONE;
    }

    /// The kernel is about to use the layout of this width, in which it knows fewer ports: takes the others out of its table
    /// first, since it would refuse to remove them later. To be followed by [#setSharedInfo].
    public void narrowKernelPorts(GuestWidth width) {
        bindings.limitKernelPorts(TwoLevel.limit(width));
    }

    /// Gives the domain its shared_info page, or another layout of it. Events before the first call are lost: the page
    /// belongs to the domain from its creation on, whether or not the guest has mapped it yet. vCPUs below
    /// [#LEGACY_VCPUS] that have registered no other place are notified in this page from here on.
    ///
    /// @param page the shared_info structure, 8-byte aligned; read and written at any later time
    /// @param width selects the layout and the number of ports of the 2-level ABI: 4096 (64-bit) or 1024 (32-bit)
    public void setSharedInfo(MemorySegment page, GuestWidth width) {
        bindings.delivery.setSharedInfo(page, width);
    }

    /// `VCPUOP_register_vcpu_info`: the vCPU is notified in another place from here on. Call it after the kernel has been
    /// told (`KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO`), so that an event the kernel raises meanwhile is seen here.
    ///
    /// No event gets lost: what is announced in the old place is so in the new one, and so is whatever is pending, unmasked
    /// and bound to this vCPU. Xen achieves
    /// that by setting all of `evtchn_pending_sel` and `evtchn_upcall_pending`. That would not do here, because a vCPU whose
    /// local APIC is not enabled yet would lose the upcall and then never get another, KVM injecting one only when a
    /// selector bit changes from 0 to 1.
    ///
    /// @param memory `struct vcpu_info`: 64 bytes, 4-byte aligned
    /// @throws XenError `ENOENT` no such vCPU; `EBUSY` already registered; `ENXIO` misaligned
    public void setVcpuInfo(VcpuId vcpu, MemorySegment memory) throws XenError {
        bindings.delivery.setVcpuInfo(vcpu, memory);
    }

    /// Whether the vCPU has registered its `vcpu_info`, which it may do once.
    ///
    /// @throws XenError `ENOENT` no such vCPU
    public boolean isVcpuInfoRegistered(VcpuId vcpu) throws XenError {
        return bindings.require(vcpu).registered;
    }

    /// Whether an event is pending on the port, masked or not; for `SCHEDOP_poll`.
    ///
    /// @throws XenError `EINVAL` the port is invalid or closed
    public boolean isPending(EvtchnPort port) throws XenError {
        return bindings.delivery.isPending(port);
    }

    /// Whether the vCPU has not yet taken its last upcall.
    public boolean isUpcallPending(VcpuId vcpu) {
        VcpuInfo info = bindings.vcpu(vcpu.value()).info;
        return info != null && info.isUpcallPending();
    }

    /// Clears the vCPU's `evtchn_upcall_mask`, as `SCHEDOP_block` does. Nobody but the guest looks at it: an HVM domain's
    /// upcalls are interrupts.
    public void unmaskUpcalls(VcpuId vcpu) {
        VcpuInfo info = bindings.vcpu(vcpu.value()).info;
        if (info != null) {
            info.unmaskUpcalls();
        }
    }

    /// Announces every event that is pending and unmasked, at its vCPU, and upcalls every vCPU that has not taken its last
    /// upcall. For use after a restore: the kernel may have held announcements that it had not written to guest memory yet,
    /// and an upcall may have been on its way.
    public void announcePending() {
        bindings.delivery.announcePending();
    }

    /// Fills the kernel's table and timers from this one. For use after a restore.
    public void rebuildKernelPorts() {
        bindings.rebuildKernelPorts();
    }

    /// Ends the domain: closes every port, empties the kernel's table, removes the meters. Nothing can be bound afterwards. Waits
    /// for sends and upcalls under way: when it returns, no other domain's thread is at this one's kernel, vCPUs or memory, or
    /// will be. To be called once.
    public void destroy() {
        bindings.destroy();
        metrics.close();
    }

    /// The state of every port.
    public EventChannelsState save() {
        return Snapshot.save(bindings);
    }

    /// The event channels of a saved domain. Channels to other domains come back unbound, for the same remote domain to bind
    /// again: the other ends are not part of this state. The kernel's table is empty until [#rebuildKernelPorts]. With
    /// FIFO the guest's memory has to be in place already.
    ///
    /// @param options as of the saved domain, or with more allowed
    /// @throws IllegalArgumentException if the state contradicts itself or the options, or there is no room for its ports
    public static EventChannels restore(
            EventChannelsState state,
            EvtchnOptions options,
            EventEnvironment environment,
            EventChannelMetrics metrics) {
        EventChannels restored = new EventChannels(state.domId(), options, environment, metrics);
        try {
            Snapshot.load(restored.bindings, state, environment.pages());
        } catch (RuntimeException e) {
            restored.destroy();
            throw e;
        }
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
