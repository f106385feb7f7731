package io.xenemu.evtchn;

import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.MemorySegment;
import java.util.BitSet;
import java.util.concurrent.locks.StampedLock;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// Delivers one domain's events: writes them to guest memory and makes upcalls to its vCPUs.
final class Delivery {
    private final Bindings owner;
    private final KernelPorts kernel;
    private final UpcallSink upcalls;
    private final Consumer<Throwable> failed;
    private final EventChannelMetrics metrics;

    /// Read-locked during an upcall, after all other locks are released; write-locked for good when the domain has
    /// ended. So the end waits for upcalls in progress, and later upcalls do nothing. Senders do not wait for each
    /// other here.
    private final StampedLock ended = new StampedLock();

    /// The bitmaps of the shared_info page, if the domain has one; domain 0 has none.
    private volatile @Nullable TwoLevel shared;

    private volatile int kernelLimit = TwoLevel.MAX_PORTS;

    /// The FIFO queues while the guest uses them instead of [#shared]; else null.
    private volatile @Nullable Fifo fifo;

    /// @param kernel the environment's, wrapped by [ContainedPorts]
    Delivery(
            Bindings owner,
            EventEnvironment environment,
            KernelPorts kernel,
            EventChannelMetrics metrics) {
        this.owner = owner;
        this.kernel = kernel;
        this.upcalls = environment.upcalls();
        this.failed = environment.failed();
        this.metrics = metrics;
    }

    @Nullable EventAbi abi() {
        Fifo queues = fifo;
        return queues != null ? queues : shared;
    }

    /// The number of ports now, port 0 included.
    int limit() {
        EventAbi abi = abi();
        return abi == null ? owner.options.capacity() : owner.options.limit(abi.limit());
    }

    /// The kernel serves only ports below this one, whatever the ABI.
    int kernelLimit() {
        return kernelLimit;
    }

    /// Sets the limit. The caller holds the binding lock, and then removes the ports beyond it from the kernel's
    /// table.
    void kernelLimit(int ports) {
        kernelLimit = ports;
    }

    // ---- events

    /// Makes an event pending on a port of this domain. The caller holds the monitor of the channel or of its other
    /// end, and may be another domain. A failure ends this domain, not the caller's.
    ///
    /// @return the vCPU that needs an upcall when all locks are released, or null
    @Nullable Vcpu raise(Channel channel) {
        EventAbi abi = abi();
        if (abi == null) {
            return null;
        }
        metrics.raised(channel.type);
        Vcpu vcpu = owner.vcpu(channel.vcpu);
        try {
            return abi.setPending(channel, vcpu) ? vcpu : null;
        } catch (RuntimeException | Error e) {
            failed.accept(e);
            return null;
        }
    }

    /// Clears the pending event of a port that is being closed. A failure leaves neither the port nor its other end
    /// open.
    void clearPending(Channel channel) {
        EventAbi abi = abi();
        if (abi == null) {
            return;
        }
        try {
            abi.clearPending(channel);
        } catch (RuntimeException | Error e) {
            failed.accept(e);
        }
    }

    boolean isPending(EvtchnPort port) throws XenError {
        Channel channel = owner.ports.get(port);
        if (channel.type == ChannelType.CLOSED) {
            throw XenError.EINVAL;
        }
        EventAbi abi = abi();
        return abi != null && abi.isPending(channel);
    }

    void unmask(EvtchnPort port) throws XenError {
        Channel channel = owner.ports.get(port);
        Vcpu due = null;
        synchronized (channel) {
            EventAbi abi = abi();
            Vcpu vcpu = owner.vcpu(channel.vcpu);
            boolean open = channel.type != ChannelType.CLOSED;
            if (open && abi != null && abi.unmask(channel, vcpu)) {
                due = vcpu;
            }
        }
        upcall(due);
    }

    /// Makes an upcall, unless the domain has ended. Called with no lock held, after an event was raised: nothing
    /// else keeps this domain from ending meanwhile.
    void upcall(@Nullable Vcpu due) {
        if (due == null) {
            return;
        }
        long hold = ended.tryReadLock();
        if (hold == 0) {
            return;
        }
        try {
            metrics.upcall();
            upcalls.upcall(due.id);
        } catch (RuntimeException | Error e) {
            failed.accept(e);
        } finally {
            ended.unlockRead(hold);
        }
    }

    /// Called when the domain has ended and all its ports are closed: waits for upcalls in progress.
    void end() {
        long _ = ended.writeLock();
    }

    void upcall(BitSet due) {
        for (int i = due.nextSetBit(0); i >= 0; i = due.nextSetBit(i + 1)) {
            upcall(owner.vcpu(i));
        }
    }

    /// Announces every event that is pending and unmasked, and makes an upcall to every vCPU that has an
    /// announcement.
    void announcePending() {
        EventAbi abi = abi();
        if (abi == null) {
            return;
        }
        BitSet due = new BitSet();
        for (int i = 1; i < owner.ports.size(); i++) {
            Channel channel = owner.ports.at(i);
            int vcpu = channel.vcpu;
            if (abi.announce(channel, owner.vcpu(vcpu))) {
                due.set(vcpu);
            }
        }
        for (int i = 0; i < owner.vcpus(); i++) {
            if (abi.announceAgain(owner.vcpu(i))) {
                due.set(i);
            }
        }
        upcall(due);
    }

    private void announcePending(Vcpu vcpu) {
        EventAbi abi = abi();
        if (abi == null) {
            return;
        }
        boolean due = false;
        for (int i = 1; i < owner.ports.size(); i++) {
            Channel channel = owner.ports.at(i);
            due |= channel.vcpu == vcpu.id.value() && abi.announce(channel, vcpu);
        }
        due |= abi.announceAgain(vcpu);
        upcall(due ? vcpu : null);
    }

    // ---- guest memory

    void setSharedInfo(MemorySegment page, GuestWidth width) {
        TwoLevel bitmaps = new TwoLevel(page, width, kernel);
        owner.lock.lock();
        try {
            shared = bitmaps;
            kernelLimit = bitmaps.limit();
            for (int i = 0; i < owner.vcpus(); i++) {
                Vcpu vcpu = owner.vcpu(i);
                VcpuInfo info = vcpu.info;
                if (vcpu.registered && info != null) {
                    vcpu.info = info.as(width);
                } else if (i < EventChannels.LEGACY_VCPUS) {
                    vcpu.info = bitmaps.legacyVcpuInfo(i);
                }
            }
        } finally {
            owner.lock.unlock();
        }
    }

    void setVcpuInfo(VcpuId vcpuId, MemorySegment place) throws XenError {
        Vcpu vcpu = owner.require(vcpuId);
        register(vcpu, place, true);
        announcePending(vcpu);
    }

    void restoreVcpuInfo(VcpuId vcpuId, MemorySegment place) throws XenError {
        register(owner.require(vcpuId), place, false);
    }

    void forgetVcpuInfo(VcpuId vcpuId) throws XenError {
        Vcpu vcpu = owner.require(vcpuId);
        owner.lock.lock();
        try {
            TwoLevel bitmaps = shared;
            int number = vcpuId.value();
            vcpu.registered = false;
            vcpu.info =
                    bitmaps == null || number >= EventChannels.LEGACY_VCPUS
                            ? null
                            : bitmaps.legacyVcpuInfo(number);
        } finally {
            owner.lock.unlock();
        }
    }

    /// @param isNew whether the contents of the vCPU's place in shared_info move to this one
    private void register(Vcpu vcpu, MemorySegment place, boolean isNew) throws XenError {
        if (place.address() % VcpuInfo.ALIGNMENT != 0) {
            throw XenError.ENXIO;
        }
        owner.lock.lock();
        try {
            if (vcpu.registered) {
                throw XenError.EBUSY;
            }
            TwoLevel bitmaps = shared;
            VcpuInfo info =
                    new VcpuInfo(place, bitmaps == null ? GuestWidth.BITS_64 : bitmaps.width());
            VcpuInfo old = vcpu.info;
            if (isNew && old != null) {
                info.takeOver(old);
            } else if (isNew) {
                info.clear();
            }
            vcpu.info = info;
            vcpu.registered = true;
        } finally {
            owner.lock.unlock();
        }
    }

    // ---- the FIFO ABI, see FifoSwitch

    @Nullable Fifo fifo() {
        return fifo;
    }

    /// The caller holds the binding lock.
    void fifo(@Nullable Fifo queues) {
        fifo = queues;
    }

    @Nullable TwoLevel shared() {
        return shared;
    }
}
