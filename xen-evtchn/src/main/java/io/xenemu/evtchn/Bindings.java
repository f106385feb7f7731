package io.xenemu.evtchn;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// What the ports of one domain are bound to, and the delivery of their events. [EventChannels] describes the operations
/// and the locks.
final class Bindings {
    /// The binding lock.
    final ReentrantLock lock = new ReentrantLock();

    final DomId domId;
    final PortTable ports;
    final KernelTable kernelTable;
    private final KernelPorts kernel;
    private final UpcallSink upcalls;
    private final EventChannelMetrics metrics;
    private final Vcpu[] vcpus;
    private volatile int limit;
    private volatile @Nullable TwoLevel events;

    /// Guarded by the binding lock.
    private boolean dying;

    Bindings(
            DomId domId,
            int vcpus,
            int limit,
            KernelPorts kernel,
            UpcallSink upcalls,
            EventChannelMetrics metrics) {
        this.domId = domId;
        this.kernel = kernel;
        this.upcalls = upcalls;
        this.metrics = metrics;
        this.limit = limit;
        this.kernelTable = new KernelTable(this, kernel);
        this.vcpus = new Vcpu[vcpus];
        for (int i = 0; i < vcpus; i++) {
            this.vcpus[i] = new Vcpu(i);
        }
        this.ports = new PortTable(this);
    }

    int vcpus() {
        return vcpus.length;
    }

    Vcpu vcpu(int index) {
        return vcpus[index];
    }

    /// The vCPU of this id.
    ///
    /// @throws XenError `ENOENT` if the domain has no such vCPU
    Vcpu require(VcpuId id) throws XenError {
        if (id.value() >= vcpus.length) {
            throw XenError.ENOENT;
        }
        return vcpus[id.value()];
    }

    boolean isValid(EvtchnPort port) {
        return ports.find(port) != null;
    }

    boolean isPending(EvtchnPort port) throws XenError {
        Channel channel = ports.get(port);
        TwoLevel memory = events;
        int number = channel.port.value();
        return memory != null && number < memory.limit() && memory.isPending(number);
    }

    // ---- binding

    Channel allocUnbound(DomId remote, @Nullable ServiceListener listener) throws XenError {
        lock.lock();
        try {
            Channel channel = allocate();
            synchronized (channel) {
                channel.remoteDom = remote;
                channel.listener = listener;
                retype(channel, ChannelType.UNBOUND);
            }
            return channel;
        } finally {
            lock.unlock();
        }
    }

    EvtchnPort bindVirq(Virq virq, VcpuId vcpuId) throws XenError {
        if (virq.isGlobal() && vcpuId.value() != 0) {
            throw XenError.EINVAL;
        }
        Vcpu vcpu = require(vcpuId);
        Channel channel;
        lock.lock();
        try {
            if (vcpu.virqPorts.get(virq.number()) != 0) {
                throw XenError.EEXIST;
            }
            channel = allocate();
            synchronized (channel) {
                channel.virq = virq;
                channel.vcpu = vcpuId.value();
                retype(channel, ChannelType.VIRQ);
            }
            vcpu.virqPorts.set(virq.number(), channel.port.value());
        } finally {
            lock.unlock();
        }
        if (virq.equals(Virq.TIMER)) {
            kernel.timerChanged(vcpu.id);
        }
        return channel.port;
    }

    EvtchnPort bindIpi(VcpuId vcpuId) throws XenError {
        Vcpu vcpu = require(vcpuId);
        lock.lock();
        try {
            Channel channel = allocate();
            synchronized (channel) {
                channel.vcpu = vcpu.id.value();
                retype(channel, ChannelType.IPI);
            }
            kernelTable.assign(channel);
            return channel.port;
        } finally {
            lock.unlock();
        }
    }

    void bindVcpu(EvtchnPort port, VcpuId vcpuId) throws XenError {
        Vcpu vcpu = require(vcpuId);
        lock.lock();
        try {
            Channel channel = ports.get(port);
            boolean movable =
                    switch (channel.type) {
                        case CLOSED, IPI -> false;
                        case UNBOUND, INTERDOMAIN -> true;
                        case VIRQ -> channel.virq().isGlobal();
                    };
            if (!movable) {
                throw XenError.EINVAL;
            }
            synchronized (channel) {
                channel.vcpu = vcpu.id.value();
            }
            kernelTable.moved(channel);
        } finally {
            lock.unlock();
        }
    }

    EvtchnStatus status(EvtchnPort port) throws XenError {
        Channel channel = ports.get(port);
        synchronized (channel) {
            return status(channel);
        }
    }

    /// For the holder of the channel's monitor or the binding lock.
    EvtchnStatus status(Channel channel) {
        VcpuId vcpu = vcpus[channel.vcpu].id;
        return switch (channel.type) {
            case CLOSED -> new EvtchnStatus.Closed(vcpu);
            case UNBOUND -> new EvtchnStatus.Unbound(vcpu, channel.remoteDom);
            case INTERDOMAIN ->
                    new EvtchnStatus.Interdomain(
                            vcpu, channel.remote().owner.domId, channel.remote().port);
            case VIRQ -> new EvtchnStatus.VirqBound(vcpu, channel.virq());
            case IPI -> new EvtchnStatus.Ipi(vcpu);
        };
    }

    void reset() {
        lock.lock();
        try {
            kernelTable.reset();
        } finally {
            lock.unlock();
        }
        for (int i = 1; i < ports.size(); i++) {
            Interdomain.closeIfOpen(this, ports.at(i));
        }
    }

    void destroy() {
        lock.lock();
        try {
            dying = true;
        } finally {
            lock.unlock();
        }
        reset();
    }

    /// Takes the lowest free port. For the holder of the binding lock.
    Channel allocate() throws XenError {
        if (dying) {
            throw XenError.EINVAL;
        }
        return ports.allocate(limit);
    }

    /// Throws what [#allocate] would throw now.
    void requireFree() throws XenError {
        if (dying) {
            throw XenError.EINVAL;
        }
        ports.requireFree(limit);
    }

    /// Makes a channel free. For the holder of the binding lock and the channel's monitor, after the kernel has stopped
    /// sending on it. The pending bit goes too: the port's next user must not find it.
    void free(Channel channel) {
        TwoLevel memory = events;
        if (memory != null && channel.port.value() < memory.limit()) {
            memory.clearPending(channel.port.value());
        }
        channel.remote = null;
        channel.virq = null;
        channel.listener = null;
        channel.vcpu = 0;
        retype(channel, ChannelType.CLOSED);
        ports.release(channel);
    }

    void retype(Channel channel, ChannelType type) {
        metrics.retyped(channel.type, type);
        channel.type = type;
    }

    void rebuildKernelPorts() {
        lock.lock();
        try {
            kernelTable.rebuild();
        } finally {
            lock.unlock();
        }
        for (Vcpu vcpu : vcpus) {
            if (vcpu.virqPorts.get(Virq.TIMER.number()) != 0) {
                kernel.timerChanged(vcpu.id);
            }
        }
    }

    /// After a timer VIRQ was closed, with no lock held.
    void timerClosed(Vcpu vcpu) {
        kernel.timerChanged(vcpu.id);
    }

    // ---- delivery

    void send(EvtchnPort port) throws XenError {
        Channel local = ports.get(port);
        Bindings target = this;
        Vcpu due = null;
        ServiceListener listener = null;
        synchronized (local) {
            switch (local.type) {
                case INTERDOMAIN -> {
                    Channel remote = local.remote();
                    listener = remote.listener;
                    target = remote.owner;
                    due = listener == null ? target.raise(remote) : null;
                }
                case IPI -> due = raise(local);
                case UNBOUND -> {}
                case CLOSED, VIRQ -> throw XenError.EINVAL;
            }
        }
        if (listener != null) {
            listener.signalled();
        }
        target.upcall(due);
    }

    void raiseVirq(Virq virq, VcpuId vcpuId) {
        int holder = virq.isGlobal() ? 0 : vcpuId.value();
        EvtchnPort port = EvtchnPort.of(vcpus[holder].virqPorts.get(virq.number()));
        Channel channel = ports.find(port);
        if (channel == null) {
            return;
        }
        Vcpu due;
        synchronized (channel) {
            boolean bound = channel.type == ChannelType.VIRQ && virq.equals(channel.virq);
            due = bound && (virq.isGlobal() || channel.vcpu == holder) ? raise(channel) : null;
        }
        upcall(due);
    }

    void unmask(EvtchnPort port) throws XenError {
        Channel channel = ports.get(port);
        Vcpu due;
        synchronized (channel) {
            TwoLevel memory = events;
            Vcpu vcpu = vcpus[channel.vcpu];
            boolean announced =
                    memory != null
                            && port.value() < memory.limit()
                            && memory.unmask(port.value(), vcpu);
            due = announced ? vcpu : null;
        }
        upcall(due);
    }

    /// Makes an event pending on a port of this domain. For the holder of the monitor of the channel or its other end.
    ///
    /// @return the vCPU that is due an upcall when all locks are released, if any
    @Nullable Vcpu raise(Channel channel) {
        TwoLevel memory = events;
        if (memory == null || channel.port.value() >= memory.limit()) {
            return null;
        }
        metrics.raised();
        Vcpu vcpu = vcpus[channel.vcpu];
        return memory.setPending(channel, vcpu, kernel) ? vcpu : null;
    }

    void upcall(@Nullable Vcpu due) {
        if (due != null) {
            metrics.upcall();
            upcalls.upcall(due.id);
        }
    }

    // ---- guest memory

    void setSharedInfo(MemorySegment page, GuestWidth width) {
        TwoLevel memory = new TwoLevel(page, width);
        lock.lock();
        try {
            limit = memory.limit();
            events = memory;
            for (int i = 0; i < vcpus.length; i++) {
                VcpuInfo info = vcpus[i].info;
                if (vcpus[i].registered && info != null) {
                    vcpus[i].info = info.as(width);
                } else if (i < EventChannels.LEGACY_VCPUS) {
                    vcpus[i].info = memory.legacyVcpuInfo(i);
                }
            }
        } finally {
            lock.unlock();
        }
    }

    void setVcpuInfo(VcpuId vcpuId, MemorySegment place) throws XenError {
        Vcpu vcpu = require(vcpuId);
        if (place.address() % VcpuInfo.ALIGNMENT != 0) {
            throw XenError.ENXIO;
        }
        lock.lock();
        try {
            if (vcpu.registered) {
                throw XenError.EINVAL;
            }
            TwoLevel memory = events;
            VcpuInfo info =
                    new VcpuInfo(place, memory == null ? GuestWidth.BITS_64 : memory.width());
            VcpuInfo old = vcpu.info;
            if (old != null) {
                info.takeOver(old);
            }
            vcpu.info = info;
            vcpu.registered = true;
        } finally {
            lock.unlock();
        }
        announcePending(vcpu);
    }

    void announcePending() {
        for (Vcpu vcpu : vcpus) {
            announcePending(vcpu);
        }
    }

    private void announcePending(Vcpu vcpu) {
        TwoLevel memory = events;
        if (memory == null) {
            return;
        }
        boolean due = false;
        int end = Math.min(ports.size(), memory.limit());
        for (int i = 1; i < end; i++) {
            due |= ports.at(i).vcpu == vcpu.id.value() && memory.announce(i, vcpu);
        }
        VcpuInfo info = vcpu.info;
        upcall(due || (info != null && info.isUpcallPending()) ? vcpu : null);
    }
}
