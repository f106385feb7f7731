package io.xenemu.evtchn;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.abi.XenError;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// The bindings of one domain's ports. [EventChannels] describes the operations and the locks.
final class Bindings {
    /// The binding lock.
    final ReentrantLock lock = new ReentrantLock();

    final DomId domId;
    final EvtchnOptions options;
    final PortTable ports;
    final Delivery delivery;
    final KernelTable kernelTable;
    final Virqs virqs;
    final Pirqs pirqs;
    final FifoSwitch fifoSwitch;
    private final KernelPorts kernel;
    private final Consumer<Throwable> failed;
    private final EventChannelMetrics metrics;
    private final Vcpu[] vcpus;

    /// Guarded by the binding lock.
    private boolean dying;

    /// Whether EVTCHNOP_reset is in progress. Guarded by the binding lock.
    private boolean resetting;

    Bindings(
            DomId domId,
            EvtchnOptions options,
            EventEnvironment environment,
            EventChannelMetrics metrics) {
        this.domId = domId;
        this.options = options;
        this.kernel = ContainedPorts.of(environment);
        this.failed = environment.failed();
        this.metrics = metrics;
        this.vcpus = new Vcpu[options.vcpus()];
        for (int i = 0; i < vcpus.length; i++) {
            this.vcpus[i] = new Vcpu(i);
        }
        this.ports = new PortTable(this, options.capacity(), environment.ports());
        this.delivery = new Delivery(this, environment, kernel, metrics);
        this.kernelTable = new KernelTable(this, kernel);
        this.virqs = new Virqs(this, kernel);
        this.pirqs = new Pirqs(this);
        this.fifoSwitch = new FifoSwitch(this, environment.pages());
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
        Channel channel = ports.get(port);
        boolean refresh;
        lock.lock();
        try {
            boolean movable =
                    switch (channel.type) {
                        case CLOSED, IPI -> false;
                        case UNBOUND, INTERDOMAIN, PIRQ -> true;
                        case VIRQ -> channel.virq().isGlobal();
                    };
            if (!movable) {
                throw XenError.EINVAL;
            }
            synchronized (channel) {
                channel.vcpu = vcpu.id.value();
            }
            refresh = kernelTable.moved(channel);
        } finally {
            lock.unlock();
        }
        if (refresh) {
            Interdomain.refreshDoorbell(channel);
        }
    }

    void setPriority(EvtchnPort port, int priority) throws XenError {
        lock.lock();
        try {
            Channel channel = ports.get(port);
            EventAbi abi = delivery.abi();
            if (abi == null || !abi.hasPriorities()) {
                throw XenError.ENOSYS;
            }
            if (channel.type == ChannelType.CLOSED) {
                throw XenError.EACCES;
            }
            abi.setPriority(channel, priority);
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

    /// The caller holds the channel's monitor or the binding lock.
    EvtchnStatus status(Channel channel) {
        VcpuId vcpu = vcpus[channel.vcpu].id;
        return switch (channel.type) {
            case CLOSED -> new EvtchnStatus.Closed(vcpu);
            case UNBOUND -> new EvtchnStatus.Unbound(vcpu, channel.remoteDom);
            case INTERDOMAIN ->
                    new EvtchnStatus.Interdomain(
                            vcpu, channel.remote().owner.domId, channel.remote().port);
            case PIRQ -> new EvtchnStatus.PirqBound(vcpu, channel.pirq());
            case VIRQ -> new EvtchnStatus.VirqBound(vcpu, channel.virq());
            case IPI -> new EvtchnStatus.Ipi(vcpu);
        };
    }

    /// Closes every port, then goes back to the 2-level ABI.
    ///
    /// @throws XenError `EBUSY` another thread is resetting; `EAGAIN` ports were bound meanwhile, which stay bound
    void reset() throws XenError {
        lock.lock();
        try {
            if (resetting) {
                throw XenError.EBUSY;
            }
            resetting = true;
            kernelTable.reset();
        } finally {
            lock.unlock();
        }
        closeAll();
        lock.lock();
        try {
            resetting = false;
            if (ports.active() > 0) {
                throw XenError.EAGAIN;
            }
            fifoSwitch.leave();
        } finally {
            lock.unlock();
        }
    }

    void destroy() {
        lock.lock();
        try {
            dying = true;
            kernelTable.reset();
        } finally {
            lock.unlock();
        }
        closeAll();
        delivery.end();
        lock.lock();
        try {
            ports.release();
        } finally {
            lock.unlock();
        }
    }

    /// Closes every port. If closing one fails, the others are closed all the same: an open one would keep another
    /// domain's channel connected to this domain.
    private void closeAll() {
        for (int i = 1; i < ports.size(); i++) {
            try {
                Interdomain.closeIfOpen(this, ports.at(i));
            } catch (RuntimeException | Error e) {
                failed.accept(e);
            }
        }
    }

    /// Takes the lowest free port. The caller holds the binding lock.
    ///
    /// @throws XenError `ENOSPC` this domain has no free port, or all domains together use too many; `EINVAL` the
    ///     domain is dying
    Channel allocate() throws XenError {
        Channel channel = ports.take(requireFree());
        channel.priority = Fifo.DEFAULT_PRIORITY;
        return channel;
    }

    /// The port that [#allocate] would take now.
    int requireFree() throws XenError {
        if (dying) {
            throw XenError.EINVAL;
        }
        return ports.lowestFree(delivery.limit(), delivery.abi());
    }

    /// Makes a channel free, and clears its pending event, so that the port's next user does not find it. The caller
    /// holds the binding lock and the channel's monitor, and has stopped the kernel from sending on it.
    void free(Channel channel) {
        delivery.clearPending(channel);
        channel.remote = null;
        channel.virq = null;
        channel.pirq = null;
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
        virqs.timersChanged(false);
    }

    void limitKernelPorts(int limit) {
        lock.lock();
        try {
            delivery.kernelLimit(limit);
            kernelTable.deassignFrom(limit);
        } finally {
            lock.unlock();
        }
        for (int i = limit; i < ports.size(); i++) {
            Interdomain.refreshDoorbell(ports.at(i));
        }
    }

    void kernelDeliveryChanged() {
        boolean changed;
        lock.lock();
        try {
            changed = kernelTable.refresh();
        } finally {
            lock.unlock();
        }
        if (!changed) {
            return;
        }
        for (int i = 1; i < ports.size(); i++) {
            Interdomain.refreshDoorbell(ports.at(i));
        }
        virqs.timersChanged(false);
    }

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
                    due = listener == null ? target.delivery.raise(remote) : null;
                }
                case IPI -> due = delivery.raise(local);
                case UNBOUND -> {}
                case CLOSED, PIRQ, VIRQ -> throw XenError.EINVAL;
            }
        }
        if (listener != null) {
            listener.signalled();
        }
        target.delivery.upcall(due);
    }
}
