package io.xenemu.evtchn;

import io.xenemu.kvm.abi.XenError;
import org.jspecify.annotations.Nullable;

/// Connects and closes ports: the operations that change two ports, possibly of two domains. Two domains are locked
/// only here.
final class Interdomain {
    private Interdomain() {}

    /// Binds a new port of `local` to an unbound port of `remote`, which may be the same domain.
    ///
    /// @param listener for a port of the service; else null
    /// @return the new port
    /// @throws XenError as [EventChannels#bindInterdomain] says
    static Channel bind(
            Bindings local,
            Bindings remote,
            EvtchnPort remotePort,
            @Nullable ServiceListener listener)
            throws XenError {
        Channel near;
        Vcpu due;
        lock(local, remote);
        try {
            local.requireFree();
            Channel far = remote.ports.get(remotePort);
            if (far.type != ChannelType.UNBOUND || !far.remoteDom.equals(local.domId)) {
                throw XenError.EINVAL;
            }
            near = local.allocate();
            due = connect(near, far, listener);
            local.kernelTable.assign(near);
            remote.kernelTable.assign(far);
        } finally {
            unlock(local, remote);
        }
        if (listener != null) {
            listener.signalled();
        }
        local.delivery.upcall(due);
        return near;
    }

    /// Connects two ports of restored domains again, which wait for each other. Both become pending: an event may have
    /// been under way in the kernel when the domains were saved.
    ///
    /// @return false if one of them does not wait for the other
    static boolean rejoin(Bindings a, EvtchnPort aPort, Bindings b, EvtchnPort bPort) {
        Vcpu dueA;
        Vcpu dueB;
        lock(a, b);
        try {
            Channel near = a.ports.find(aPort);
            Channel far = b.ports.find(bPort);
            if (near == null || far == null || !waits(near, b) || !waits(far, a)) {
                return false;
            }
            dueA = connect(near, far, null);
            synchronized (far) {
                dueB = b.delivery.raise(far);
            }
            a.kernelTable.assign(near);
            b.kernelTable.assign(far);
        } finally {
            unlock(a, b);
        }
        a.delivery.upcall(dueA);
        b.delivery.upcall(dueB);
        return true;
    }

    private static boolean waits(Channel channel, Bindings forOwner) {
        return channel.type == ChannelType.UNBOUND && channel.remoteDom.equals(forOwner.domId);
    }

    private static @Nullable Vcpu connect(
            Channel near, Channel far, @Nullable ServiceListener listener) {
        Channel first = near.before(far) ? near : far;
        synchronized (first) {
            synchronized (first == near ? far : near) {
                near.listener = listener;
                near.remote = far;
                near.owner.retype(near, ChannelType.INTERDOMAIN);
                far.remote = near;
                far.owner.retype(far, ChannelType.INTERDOMAIN);
                return listener == null ? near.owner.delivery.raise(near) : null;
            }
        }
    }

    /// Closes a port.
    ///
    /// @throws XenError `EINVAL` if it is closed already
    static void close(Bindings domain, Channel channel) throws XenError {
        if (!closeIfOpen(domain, channel)) {
            throw XenError.EINVAL;
        }
    }

    /// Closes a port if it is open.
    ///
    /// @return whether it was open
    static boolean closeIfOpen(Bindings domain, Channel channel) {
        while (true) {
            Bindings other = ownerOfRemote(channel);
            lock(domain, other);
            Vcpu timerOf = null;
            try {
                if (channel.type == ChannelType.CLOSED) {
                    return false;
                }
                if (ownerOfRemote(channel) != other) {
                    // Another thread bound or disconnected the port while it was unlocked. Each
                    // retry needs such an operation on this very port.
                    continue;
                }
                timerOf = closeLocked(domain, channel);
            } finally {
                unlock(domain, other);
            }
            if (timerOf != null) {
                domain.virqs.timerChanged(timerOf.id.value());
            }
            return true;
        }
    }

    /// @return the vCPU whose timer VIRQ this was, or null
    private static @Nullable Vcpu closeLocked(Bindings domain, Channel channel) {
        Channel remote = channel.remote;
        if (remote != null) {
            KernelTable.disconnect(channel, remote);
            disconnect(channel, remote);
            return null;
        }
        domain.kernelTable.deassign(channel);
        Vcpu vcpu = domain.vcpu(channel.vcpu);
        Virq virq = channel.virq;
        Pirq pirq = channel.pirq;
        synchronized (channel) {
            domain.free(channel);
        }
        if (pirq != null) {
            domain.pirqs.unbind(pirq);
        }
        return virq != null && domain.virqs.unregister(virq, vcpu.id.value()) ? vcpu : null;
    }

    private static void disconnect(Channel closing, Channel remaining) {
        Channel first = closing.before(remaining) ? closing : remaining;
        synchronized (first) {
            synchronized (first == closing ? remaining : closing) {
                closing.owner.free(closing);
                remaining.remote = null;
                remaining.remoteDom = closing.owner.domId;
                remaining.owner.retype(remaining, ChannelType.UNBOUND);
            }
        }
    }

    /// Opens the channel's doorbell if the kernel can deliver to it now, and closes it otherwise.
    static void refreshDoorbell(Channel channel) {
        Bindings domain = channel.owner;
        Bindings other = ownerOfRemote(channel);
        lock(domain, other);
        try {
            Channel remote = channel.remote;
            // A thread that connected or disconnected it meanwhile has done this.
            if (remote != null && remote.owner == other && other != domain) {
                KernelTable.refreshDoorbell(channel, remote);
            }
        } finally {
            unlock(domain, other);
        }
    }

    /// The domain of an interdomain channel's other end, as it is now; the channel's own domain if there is none.
    private static Bindings ownerOfRemote(Channel channel) {
        synchronized (channel) {
            Channel remote = channel.remote;
            return remote == null ? channel.owner : remote.owner;
        }
    }

    private static void lock(Bindings a, Bindings b) {
        boolean inOrder = a.domId.value() <= b.domId.value();
        (inOrder ? a : b).lock.lock();
        if (a != b) {
            (inOrder ? b : a).lock.lock();
        }
    }

    private static void unlock(Bindings a, Bindings b) {
        a.lock.unlock();
        if (a != b) {
            b.lock.unlock();
        }
    }
}
