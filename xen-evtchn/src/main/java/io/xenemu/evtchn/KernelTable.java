package io.xenemu.evtchn;

/// Keeps the kernel's table of one domain equal to what its channels' bindings call for:
///
/// | channel | entry |
/// |---|---|
/// | IPI | its own port, at its vCPU |
/// | interdomain, the other end is the service's | an eventfd |
/// | interdomain, the other end is in the same domain | that port, at that port's vCPU |
/// | any other | none: sends exit |
///
/// Every method is for the holder of the binding lock.
final class KernelTable {
    private final Bindings owner;
    private final KernelPorts kernel;

    KernelTable(Bindings owner, KernelPorts kernel) {
        this.owner = owner;
        this.kernel = kernel;
    }

    /// Adds the entry of a channel that has just been bound.
    void assign(Channel channel) {
        switch (channel.type) {
            case IPI -> kernel.assignIpi(channel.port, owner.vcpu(channel.vcpu).id);
            case INTERDOMAIN -> {
                Channel remote = channel.remote();
                ServiceListener listener = remote.listener;
                if (listener != null) {
                    kernel.assignService(channel.port, listener);
                } else if (remote.owner == owner) {
                    kernel.assignLoopback(channel.port, remote.port, owner.vcpu(remote.vcpu).id);
                } else {
                    return;
                }
            }
            case CLOSED, UNBOUND, VIRQ -> {
                return;
            }
        }
        channel.inKernel = true;
    }

    /// Removes the entry of a channel that is about to be closed or disconnected.
    void deassign(Channel channel) {
        if (channel.inKernel) {
            kernel.deassign(channel.port);
            channel.inKernel = false;
        }
    }

    /// The channel notifies another vCPU: so does the entry that delivers to it.
    void moved(Channel channel) {
        Channel sender = channel.remote;
        if (sender != null && sender.owner == owner && sender.inKernel) {
            kernel.updateLoopback(sender.port, channel.port, owner.vcpu(channel.vcpu).id);
        }
    }

    /// Removes every entry at once; sends exit from here on.
    void reset() {
        kernel.reset();
        for (int i = 1; i < owner.ports.size(); i++) {
            owner.ports.at(i).inKernel = false;
        }
    }

    /// Makes the kernel's table afresh.
    void rebuild() {
        reset();
        for (int i = 1; i < owner.ports.size(); i++) {
            assign(owner.ports.at(i));
        }
    }
}
