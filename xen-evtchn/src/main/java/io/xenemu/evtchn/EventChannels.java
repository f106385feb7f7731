package io.xenemu.evtchn;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.GuestMemory;
import java.lang.foreign.MemorySegment;

/// The event channels of one domain: the `EVTCHNOP_*` operations with the results and errors of Xen 4.19
/// (`xen/include/public/event_channel.h`), for the 2-level ABI and, if the domain is allowed it, the FIFO ABI.
///
/// ## Locks
/// - The *binding lock*, one per domain, is held to bind, move or close a port. Only [Interdomain] locks two domains,
///   in domid order.
/// - Each port has a monitor, below the binding lock. Send, unmask and raising a VIRQ or PIRQ take only this one, so
///   a send does not wait for a send on another port. Close waits for sends on its port: none of them can reach the
///   port's next user.
/// - With FIFO, each queue has a monitor, below those of the ports.
///
/// Upcalls, service listeners and [KernelPorts#timerChanged] are called when all locks are released. The other
/// methods of [KernelPorts] are called under the binding lock (`send` under a port's monitor), because the kernel's
/// table must see the changes of a port in order. [KernelPorts] names the calls that an implementation must not make.
///
/// ## Failures
/// An exception of a domain's kernel ports, upcalls or memory goes to that domain's [EventEnvironment#failed]. It does
/// not reach the caller, which may be another domain that sends or closes. A [ServiceListener] serves the sending
/// domain: its exceptions reach the sender's thread.
///
/// Every method may be called from any thread.
public final class EventChannels {
    /// vCPUs whose `vcpu_info` lies in shared_info until they register one (`XEN_LEGACY_MAX_VCPUS`).
    public static final int LEGACY_VCPUS = 32;

    /// The most vCPUs of a domain. Xen's own limit for HVM guests is lower (`HVM_MAX_VCPUS`, 128).
    public static final int MAX_VCPUS = 4096;

    private static final VcpuId NO_VCPU = new VcpuId(Integer.MAX_VALUE);

    private final DomId domId;
    private final PeerChannels domains;
    private final EventChannelMetrics metrics;
    private final VcpuId[] vcpuIds;
    final Bindings bindings;

    /// The event channels of a new domain: no port is bound.
    ///
    /// @param domId the domain's id
    /// @param options the domain's limits
    /// @param environment the rest of the domain and the other domains
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

    /// The vCPU that a guest named. If the domain has no such vCPU, every operation answers the returned id with
    /// `ENOENT`. Allocates nothing.
    ///
    /// @param raw the 32 bits of the hypercall's argument
    public VcpuId vcpuId(int raw) {
        return Integer.compareUnsigned(raw, vcpuIds.length) < 0 ? vcpuIds[raw] : NO_VCPU;
    }

    // ---- EVTCHNOP_*, for the guest, and for the toolstack on its behalf

    /// `EVTCHNOP_alloc_unbound`: a port of this domain to which `remote` may bind. `remote` need not exist.
    ///
    /// @param dom this domain, or `DOMID_SELF`
    /// @return the lowest free port
    /// @throws XenError `ESRCH` no domain `dom`; `EPERM` `dom` is another domain; `ENOSPC` all ports in use; `EINVAL`
    ///     dying
    public EvtchnPort allocUnbound(DomId dom, DomId remote) throws XenError {
        requireSelf(dom);
        return bindings.allocUnbound(isSelf(remote) ? domId : remote, null).port;
    }

    /// `EVTCHNOP_bind_interdomain`: connects a new port to a port that another domain (or this one) keeps unbound for
    /// this domain. The new port becomes pending at once, since an earlier send on the other end may have been
    /// dropped.
    ///
    /// @throws XenError `ESRCH` no domain `remote`; `ENOSPC` all ports in use; `EINVAL` the remote port is invalid,
    ///     not unbound or reserved for another domain, or this domain is dying
    public EvtchnPort bindInterdomain(DomId remote, EvtchnPort remotePort) throws XenError {
        return Interdomain.bind(bindings, find(remote).bindings, remotePort, null).port;
    }

    /// `EVTCHNOP_bind_virq`: a new port for a virtual interrupt.
    ///
    /// @throws XenError `EINVAL` a global VIRQ on a vCPU other than 0; `ENOENT` no such vCPU; `EEXIST` already bound
    ///     on this vCPU; `ENOSPC` all ports in use
    public EvtchnPort bindVirq(Virq virq, VcpuId vcpu) throws XenError {
        return bindings.virqs.bind(virq, vcpu);
    }

    /// `EVTCHNOP_bind_pirq`: a new port for a PIRQ, which notifies vCPU 0 at first. As in Xen, the PIRQ need not be
    /// mapped yet, and the flags (`BIND_PIRQ__WILL_SHARE`) have no effect for guests that are not PV.
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

    /// `EVTCHNOP_close`: frees the port and clears its pending bit. The other end of an interdomain channel becomes
    /// unbound, and this domain may bind it again.
    ///
    /// @throws XenError `EINVAL` the port is invalid, reserved or closed
    public void close(EvtchnPort port) throws XenError {
        Interdomain.close(bindings, bindings.ports.get(port));
    }

    /// `EVTCHNOP_send`: signals the other end of an interdomain channel, or the vCPU of an IPI. On an unbound port it
    /// does nothing.
    ///
    /// @throws XenError `EINVAL` the port is invalid, reserved, closed, or for a VIRQ or PIRQ
    public void send(EvtchnPort port) throws XenError {
        bindings.send(port);
    }

    /// `EVTCHNOP_status`. As in Xen, the port is looked up in `dom` before the caller's permission is checked.
    ///
    /// @param dom this domain, or `DOMID_SELF`
    /// @throws XenError `ESRCH` no domain `dom`; `EINVAL` it has no such port; `EPERM` `dom` is another domain
    public EvtchnStatus status(DomId dom, EvtchnPort port) throws XenError {
        Channel _ = find(dom).bindings.ports.get(port);
        requireSelf(dom);
        return bindings.status(port);
    }

    /// `EVTCHNOP_bind_vcpu`: the port's later events notify another vCPU.
    ///
    /// @throws XenError `ENOENT` no such vCPU; `EINVAL` the port is invalid, closed, for an IPI or for a per-vCPU VIRQ
    public void bindVcpu(EvtchnPort port, VcpuId vcpu) throws XenError {
        bindings.bindVcpu(port, vcpu);
    }

    /// `EVTCHNOP_unmask`: clears the port's mask bit, and announces the event if it is pending. A closed port is left
    /// as it is, with its mask bit.
    ///
    /// @throws XenError `EINVAL` the port is invalid
    public void unmask(EvtchnPort port) throws XenError {
        bindings.delivery.unmask(port);
    }

    /// `EVTCHNOP_reset`: closes every port, also those of the console and XenStore, and goes back to the 2-level ABI.
    /// `EVTCHNOP_reset_cont`, with which Xen continues a preempted reset, does not exist here.
    ///
    /// @param dom this domain, or `DOMID_SELF`
    /// @throws XenError `ESRCH` no domain `dom`; `EPERM` `dom` is another domain; `EBUSY` another vCPU is resetting;
    ///     `EAGAIN` another vCPU bound a port meanwhile, which stays bound
    public void reset(DomId dom) throws XenError {
        requireSelf(dom);
        bindings.reset();
    }

    /// `EVTCHNOP_init_control`: sets the vCPU's FIFO control block. The domain's first call switches it to the FIFO
    /// ABI. Pending events then wait for [#expandArray], and every port has priority 7. The kernel then serves only
    /// entries that deliver no event to this domain. Only [#reset] leads back.
    ///
    /// @param gfn the page of the block
    /// @param offset of the block in the page, 32 bits
    /// @return the number of bits in a link, which is 17
    /// @throws XenError `ENOSYS` the domain is not allowed FIFO (the answer of a Xen without FIFO); `ENOENT` no such
    ///     vCPU; `EINVAL` the block is misaligned or does not fit in the page, the page does not exist, or the vCPU
    ///     has a block
    public int initControl(VcpuId vcpu, long gfn, int offset) throws XenError {
        requireFifo();
        Vcpu notified = bindings.require(vcpu);
        if (Integer.compareUnsigned(offset, GuestMemory.PAGE_SIZE - ControlBlock.SIZE) > 0
                || offset % ControlBlock.ALIGNMENT != 0) {
            throw XenError.EINVAL;
        }
        bindings.fifoSwitch.initControl(notified, gfn, offset);
        return EventArray.LINK_BITS;
    }

    /// `EVTCHNOP_expand_array`: adds a page of 1024 event words, and raises the events that waited for it.
    ///
    /// @throws XenError `ENOSYS` the domain is not allowed FIFO; `EOPNOTSUPP` [#initControl] was never called;
    ///     `ENOSPC` there are 128 pages already; `EINVAL` no such page
    public void expandArray(long gfn) throws XenError {
        requireFifo();
        bindings.fifoSwitch.expandArray(gfn);
    }

    /// `EVTCHNOP_set_priority`: sets the priority of the port's later events.
    ///
    /// @param priority 0, the most urgent, to 15; 32 bits
    /// @throws XenError `EINVAL` the port is invalid; `ENOSYS` the domain uses the 2-level ABI, which has no
    ///     priorities; `EACCES` the port is closed; `EINVAL` the priority is invalid
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
            throw new IllegalArgumentException("not a global VIRQ: " + virq);
        }
        return bindings.virqs.raise(virq, 0);
    }

    /// Raises a virtual interrupt of one vCPU.
    ///
    /// @return whether the guest has bound it there
    public boolean raiseVcpu(Virq virq, VcpuId vcpu) {
        if (virq.isGlobal()) {
            throw new IllegalArgumentException("not a per-vCPU VIRQ: " + virq);
        }
        return bindings.virqs.raise(virq, vcpu.value());
    }

    /// The domain's PIRQs: interrupts of the VMM's devices that the guest receives as events.
    public Pirqs pirqs() {
        return bindings.pirqs;
    }

    /// Whether the guest has switched to the FIFO ABI. The kernel's EVTCHN_SEND, timers and SCHEDOP_poll support only
    /// the 2-level ABI and must not be used then.
    public boolean isFifo() {
        return bindings.delivery.fifo() != null;
    }

    /// Whether the kernel delivers events. If not, user space runs the guest's timers.
    public boolean isKernelDelivering() {
        return bindings.kernelTable.delivers();
    }

    /// Call this when the answer of [KernelPorts#notifiesVcpus] may have changed. When it returns, the kernel's table
    /// agrees with the answer; events that the kernel delivered before may still need an upcall. The caller must hold
    /// no lock that a vCPU's thread may wait for.
    public void kernelDeliveryChanged() {
        bindings.kernelDeliveryChanged();
    }

    /// The port of the vCPU's `VIRQ_TIMER`, for the kernel's timer. [EvtchnPort#NONE] if it is not bound, or if the
    /// kernel cannot raise it: the kernel does not deliver events, or the port is beyond the 2-level ABI.
    public EvtchnPort timerPort(VcpuId vcpu) {
        int port = bindings.vcpu(vcpu.value()).virqPorts.get(Virq.TIMER.number());
        boolean deliverable = isKernelDelivering() && port < bindings.delivery.kernelLimit();
        return deliverable ? EvtchnPort.of(port) : EvtchnPort.NONE;
    }

    /// Called before the kernel changes to the layout of this width, in which it has fewer ports. Removes the others
    /// from its table first, since it would refuse to remove them later. Call [#setSharedInfo] next.
    public void narrowKernelPorts(GuestWidth width) {
        bindings.limitKernelPorts(TwoLevel.limit(width));
    }

    /// Sets the domain's shared_info page, or another layout of it. Events before the first call are lost. The page
    /// belongs to the domain from its creation on, whether or not the guest has mapped it. From now on vCPUs below
    /// [#LEGACY_VCPUS] that have registered no `vcpu_info` use the one in this page.
    ///
    /// @param page the shared_info structure, 8-byte aligned; read and written from now on
    /// @param width selects the layout and the number of ports of the 2-level ABI: 4096 (64-bit) or 1024 (32-bit)
    public void setSharedInfo(MemorySegment page, GuestWidth width) {
        bindings.delivery.setSharedInfo(page, width);
    }

    /// `VCPUOP_register_vcpu_info`: moves the vCPU's `vcpu_info`. Call it after telling the kernel
    /// (`KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO`), so that an event the kernel raises meanwhile is seen here.
    ///
    /// No event is lost. Announcements of the old place are copied to the new one, and every event that is pending,
    /// unmasked and bound to this vCPU is announced there. Xen instead sets all of `evtchn_pending_sel` and
    /// `evtchn_upcall_pending`. That would not work here: a vCPU whose local APIC is not enabled yet would lose the
    /// upcall. It would never get another, as KVM injects one only when a selector bit changes from 0 to 1.
    ///
    /// @param memory `struct vcpu_info`: 64 bytes, 4-byte aligned
    /// @throws XenError `ENOENT` no such vCPU; `EBUSY` already registered; `ENXIO` misaligned
    public void setVcpuInfo(VcpuId vcpu, MemorySegment memory) throws XenError {
        bindings.delivery.setVcpuInfo(vcpu, memory);
    }

    /// Restores the place of vcpu_info that a saved vCPU had registered, and leaves the place as it is. Call
    /// [#announcePending] when all is restored.
    ///
    /// @throws XenError `ENOENT` no such vCPU; `EBUSY` already registered; `ENXIO` misaligned
    public void restoreVcpuInfo(VcpuId vcpu, MemorySegment memory) throws XenError {
        bindings.delivery.restoreVcpuInfo(vcpu, memory);
    }

    /// Forgets the place of a vCPU's `vcpu_info`, as a soft reset does. The vCPU uses the one in shared_info from now
    /// on, if it is below [#LEGACY_VCPUS], and may register another.
    ///
    /// @throws XenError `ENOENT` no such vCPU
    public void forgetVcpuInfo(VcpuId vcpu) throws XenError {
        bindings.delivery.forgetVcpuInfo(vcpu);
    }

    /// Whether the vCPU has registered its `vcpu_info`, which is allowed once.
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

    /// Clears the vCPU's `evtchn_upcall_mask`, as `SCHEDOP_block` does. Only the guest reads it: an HVM domain's
    /// upcalls are interrupts.
    public void unmaskUpcalls(VcpuId vcpu) {
        VcpuInfo info = bindings.vcpu(vcpu.value()).info;
        if (info != null) {
            info.unmaskUpcalls();
        }
    }

    /// Announces every pending and unmasked event at its vCPU, and makes an upcall to every vCPU that has not taken its
    /// last one. Call it after a restore. The kernel may have held announcements that it had not written to guest
    /// memory, and an upcall may have been in flight.
    public void announcePending() {
        bindings.delivery.announcePending();
    }

    /// Fills the kernel's table and timers from this table. Call it after a restore.
    public void rebuildKernelPorts() {
        bindings.rebuildKernelPorts();
    }

    /// Ends the domain: closes every port, empties the kernel's table, removes the meters. Nothing can be bound
    /// afterwards. Waits for sends and upcalls in progress: when it returns, no other domain's thread uses this
    /// domain's kernel ports, vCPUs or memory any more. Call it once.
    public void destroy() {
        bindings.destroy();
        metrics.close();
    }

    /// The state of every port.
    public EventChannelsState save() {
        return Snapshot.save(bindings);
    }

    /// The event channels of a saved domain. Channels to other domains come back unbound, for the same remote domain
    /// to bind again: their other ends are not part of this state. The kernel's table stays empty until
    /// [#rebuildKernelPorts]. With FIFO, the guest's memory must be in place already.
    ///
    /// @param options those of the saved domain, or wider ones
    /// @throws IllegalArgumentException if the state contradicts itself or the options, or there is no room for its
    ///     ports
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

    /// Connects the channels of this restored domain to another one that was saved at the same moment, and was restored
    /// too. Both ends may get one event more than was sent. Call it after [#rebuildKernelPorts] of both.
    ///
    /// @param state from which this domain was restored
    /// @param peer another domain
    /// @throws IllegalArgumentException if the two do not agree on a channel
    public void rejoin(EventChannelsState state, EventChannels peer) {
        for (EventChannelsState.Port port : state.ports()) {
            if (port.status() instanceof EvtchnStatus.Interdomain end
                    && end.remote().equals(peer.domId)) {
                Snapshot.require(
                        Interdomain.rejoin(
                                bindings, new EvtchnPort(port.number()), peer.bindings, end.port()),
                        port);
            }
        }
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
