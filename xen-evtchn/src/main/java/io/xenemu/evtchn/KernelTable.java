package io.xenemu.evtchn;

import io.xenemu.kvm.abi.VcpuId;
import org.jspecify.annotations.Nullable;

/// Keeps the kernel's table of one domain equal to what its channels' bindings call for:
///
/// | channel | entry |
/// |---|---|
/// | interdomain, the other end is the service's | an eventfd |
/// | interdomain, the other end is another domain's | that domain's doorbell, if its kernel offers one |
/// | interdomain, the other end is in the same domain | that port, at that port's vCPU |
/// | IPI | its own port, at its vCPU |
/// | PIRQ that is message-signalled | a route |
/// | any other | none: sends exit |
///
/// The kernel delivers events by the 2-level ABI alone, and only while that notifies vCPUs ([KernelPorts#notifiesVcpus]):
/// otherwise only the first two rows remain, and no doorbell is offered. It knows the ports of the 2-level ABI alone, too.
///
/// Every method is for the holder of the binding lock, or, if another domain is touched, of both.
final class KernelTable {
    private final Bindings owner;
    private final KernelPorts kernel;

    /// Whether the domain uses the FIFO ABI.
    private boolean fifo;

    /// Whether the kernel is left to deliver events; written by the holder of the binding lock.
    private volatile boolean delivers = true;

    KernelTable(Bindings owner, KernelPorts kernel) {
        this.owner = owner;
        this.kernel = kernel;
    }

    /// Adds the entry of a channel that has just been bound.
    void assign(Channel channel) {
        if (channel.port.value() >= owner.delivery.kernelLimit()) {
            return;
        }
        switch (channel.type) {
            case IPI -> {
                if (delivers) {
                    kernel.assignIpi(channel.port, vcpu(channel));
                    channel.inKernel = true;
                }
            }
            case INTERDOMAIN -> channel.inKernel = assignInterdomain(channel, channel.remote());
            case PIRQ -> {
                if (delivers && owner.pirqs.isMsi(channel.pirq())) {
                    kernel.routePirq(channel.pirq(), channel.port, vcpu(channel));
                    channel.inKernel = true;
                }
            }
            case CLOSED, UNBOUND, VIRQ -> {}
        }
    }

    private boolean assignInterdomain(Channel channel, Channel remote) {
        ServiceListener listener = remote.listener;
        if (listener != null) {
            kernel.assignService(channel.port, listener);
            return true;
        }
        if (remote.owner == owner) {
            boolean known = remote.port.value() < owner.delivery.kernelLimit();
            if (delivers && known) {
                kernel.assignLoopback(channel.port, remote.port, owner.vcpu(remote.vcpu).id);
            }
            return delivers && known;
        }
        KernelDoorbell doorbell = remote.owner.kernelTable.openDoorbell(remote);
        if (doorbell == null) {
            return false;
        }
        kernel.assignDoorbell(channel.port, doorbell);
        return true;
    }

    private @Nullable KernelDoorbell openDoorbell(Channel channel) {
        if (!wantsDoorbell(channel)) {
            return null;
        }
        channel.doorbell = kernel.openDoorbell(channel.port, vcpu(channel));
        return channel.doorbell;
    }

    /// Whether another domain's kernel may bring events to a channel. Domain 0 sends by a method call, and has no use for it.
    private boolean wantsDoorbell(Channel channel) {
        Channel sender = channel.remote;
        return delivers
                && sender != null
                && sender.owner != owner
                && !(sender.owner.kernelTable.kernel instanceof NoKernelPorts)
                && channel.port.value() < owner.delivery.kernelLimit()
                && kernel.reaches(vcpu(channel));
    }

    /// Removes the entry of a channel that is about to be closed or disconnected.
    void deassign(Channel channel) {
        if (!channel.inKernel) {
            return;
        }
        channel.inKernel = false;
        if (channel.type == ChannelType.PIRQ) {
            kernel.unroutePirq(channel.pirq());
        } else {
            kernel.deassign(channel.port);
        }
    }

    /// Removes the entries of both ends, and the doorbells that they ring.
    static void disconnect(Channel channel, Channel remote) {
        channel.owner.kernelTable.deassign(channel);
        remote.owner.kernelTable.deassign(remote);
        channel.owner.kernelTable.closeDoorbell(channel);
        remote.owner.kernelTable.closeDoorbell(remote);
    }

    /// Gives a channel a doorbell, and the other end an entry that rings it, or takes both away: as it is called for now.
    static void refreshDoorbell(Channel channel, Channel remote) {
        KernelTable table = channel.owner.kernelTable;
        KernelTable sending = remote.owner.kernelTable;
        boolean wanted = table.wantsDoorbell(channel);
        if (wanted == (channel.doorbell != null)) {
            return;
        }
        // One that is left from before a reset, too.
        sending.deassign(remote);
        if (wanted) {
            sending.assign(remote);
        } else {
            table.closeDoorbell(channel);
        }
    }

    private void closeDoorbell(Channel channel) {
        KernelDoorbell doorbell = channel.doorbell;
        if (doorbell != null) {
            channel.doorbell = null;
            kernel.closeDoorbell(channel.port, doorbell);
        }
    }

    /// The channel notifies another vCPU: so do the entries that deliver to it.
    ///
    /// @return whether its doorbell has to be opened or closed for that, which is [Interdomain#refreshDoorbell]'s
    boolean moved(Channel channel) {
        Channel sender = channel.remote;
        KernelDoorbell doorbell = channel.doorbell;
        boolean wanted = wantsDoorbell(channel);
        if (doorbell != null && wanted) {
            kernel.moveDoorbell(channel.port, doorbell, vcpu(channel));
        } else if (sender != null && sender.owner == owner && sender.inKernel) {
            kernel.updateLoopback(sender.port, channel.port, vcpu(channel));
        } else if (channel.type == ChannelType.PIRQ && channel.inKernel) {
            kernel.routePirq(channel.pirq(), channel.port, vcpu(channel));
        }
        return wanted != (doorbell != null);
    }

    /// Whether the kernel is left to deliver events.
    boolean delivers() {
        return delivers;
    }

    /// The domain has changed to the FIFO ABI, or back.
    void fifo(boolean on) {
        fifo = on;
        boolean _ = refresh();
    }

    /// Turns the delivery of events by the kernel off or on, as it is called for now. Off, every entry that delivers an event
    /// is removed, and on, is there again; except doorbells, which are [Interdomain#refreshDoorbell]'s.
    ///
    /// @return whether there was anything to do
    boolean refresh() {
        boolean on = !fifo && kernel.notifiesVcpus();
        if (on == delivers) {
            return false;
        }
        delivers = on;
        for (int i = 1; i < owner.ports.size(); i++) {
            Channel channel = owner.ports.at(i);
            if (!isOwn(channel)) {
                continue;
            }
            if (on && !channel.inKernel) {
                assign(channel);
            } else if (!on) {
                deassign(channel);
            }
        }
        return true;
    }

    /// Removes what the kernel will not know any more: entries of ports from `limit` on, and those that deliver to such a port.
    /// Doorbells are [Interdomain#refreshDoorbell]'s.
    void deassignFrom(int limit) {
        for (int i = 1; i < owner.ports.size(); i++) {
            Channel channel = owner.ports.at(i);
            Channel remote = channel.remote;
            boolean deliversBeyond =
                    remote != null && remote.owner == owner && remote.port.value() >= limit;
            if (i >= limit || deliversBeyond) {
                deassign(channel);
            }
        }
    }

    /// Whether a channel's entry would deliver an event to this domain.
    private boolean isOwn(Channel channel) {
        Channel remote = channel.remote;
        return switch (channel.type) {
            case IPI, PIRQ -> true;
            case INTERDOMAIN -> remote != null && remote.owner == owner;
            case CLOSED, UNBOUND, VIRQ -> false;
        };
    }

    /// Removes every entry at once; sends exit from here on.
    void reset() {
        kernel.reset();
        for (int i = 1; i < owner.ports.size(); i++) {
            Channel channel = owner.ports.at(i);
            channel.inKernel = false;
            channel.doorbell = null;
        }
    }

    /// Makes the kernel's table afresh, of a domain that no other one is connected to.
    void rebuild() {
        reset();
        for (int i = 1; i < owner.ports.size(); i++) {
            assign(owner.ports.at(i));
        }
    }

    private VcpuId vcpu(Channel channel) {
        return owner.vcpu(channel.vcpu).id;
    }
}
