package io.xenemu.evtchn;

import io.xenemu.kvm.abi.VcpuId;
import org.jspecify.annotations.Nullable;

/// Keeps the kernel's table of one domain in agreement with the bindings of its channels:
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
/// The kernel delivers events only by the 2-level ABI, only to its ports, and only while that notifies vCPUs
/// ([KernelPorts#notifiesVcpus]). Otherwise only the first two rows remain, and no doorbell is offered.
///
/// The caller of every method holds the binding lock; if another domain is involved, both binding locks.
final class KernelTable {
    private final Bindings owner;
    private final KernelPorts kernel;

    /// Whether the domain uses the FIFO ABI.
    private boolean fifo;

    /// Whether the kernel delivers events; written with the binding lock held.
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

    /// Whether another domain's kernel may deliver events to a channel. Domain 0 sends by a method call and needs no
    /// doorbell.
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

    /// Tells where the line of a GSI leads, when its PIRQ or the port of that has changed.
    void routeGsi(int gsi) {
        kernel.routeGsi(gsi, owner.pirqs.isEvent(gsi));
    }

    /// Removes the entries of both ends, and closes the doorbells that they ring.
    static void disconnect(Channel channel, Channel remote) {
        channel.owner.kernelTable.deassign(channel);
        remote.owner.kernelTable.deassign(remote);
        channel.owner.kernelTable.closeDoorbell(channel);
        remote.owner.kernelTable.closeDoorbell(remote);
    }

    /// If the kernel can deliver to the channel now, opens its doorbell and gives the other end an entry that rings it.
    /// Otherwise removes both.
    static void refreshDoorbell(Channel channel, Channel remote) {
        KernelTable table = channel.owner.kernelTable;
        KernelTable sending = remote.owner.kernelTable;
        boolean wanted = table.wantsDoorbell(channel);
        if (wanted == (channel.doorbell != null)) {
            return;
        }
        // Also removes an entry that is left from before a reset.
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

    /// Moves the entries that deliver to a channel, which now notifies another vCPU.
    ///
    /// @return whether the caller has to open or close its doorbell, with [Interdomain#refreshDoorbell]
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

    /// Whether the kernel delivers events.
    boolean delivers() {
        return delivers;
    }

    /// Adapts to the domain's change to the FIFO ABI, or back.
    void fifo(boolean on) {
        fifo = on;
        kernel.servePolls(!on);
        boolean _ = refresh();
    }

    /// Starts or stops delivery by the kernel, as the domain's ABI and callback now require. Stopping removes every
    /// entry that delivers an event; starting adds them back. Doorbells are not touched: see
    /// [Interdomain#refreshDoorbell].
    ///
    /// @return whether delivery was started or stopped
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

    /// Removes entries that the kernel will no longer support: those of ports from `limit` on, and those that deliver
    /// to such a port. Doorbells are not touched: see [Interdomain#refreshDoorbell].
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

    /// Removes every entry at once; sends then exit to user space.
    void reset() {
        kernel.reset();
        for (int i = 1; i < owner.ports.size(); i++) {
            Channel channel = owner.ports.at(i);
            channel.inKernel = false;
            channel.doorbell = null;
        }
    }

    /// Builds the kernel's table again. No other domain is connected to this one.
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
