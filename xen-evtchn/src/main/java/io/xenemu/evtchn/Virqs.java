package io.xenemu.evtchn;

import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.abi.XenError;

/// The virtual interrupts of one domain. A global one is registered with vCPU 0, whichever vCPU it notifies.
final class Virqs {
    private final Bindings owner;
    private final KernelPorts kernel;

    Virqs(Bindings owner, KernelPorts kernel) {
        this.owner = owner;
        this.kernel = kernel;
    }

    EvtchnPort bind(Virq virq, VcpuId vcpuId) throws XenError {
        if (virq.isGlobal() && vcpuId.value() != 0) {
            throw XenError.EINVAL;
        }
        Vcpu vcpu = owner.require(vcpuId);
        Channel channel;
        owner.lock.lock();
        try {
            if (vcpu.virqPorts.get(virq.number()) != 0) {
                throw XenError.EEXIST;
            }
            channel = owner.allocate();
            synchronized (channel) {
                channel.virq = virq;
                channel.vcpu = vcpu.id.value();
                owner.retype(channel, ChannelType.VIRQ);
            }
            vcpu.virqPorts.set(virq.number(), channel.port.value());
        } finally {
            owner.lock.unlock();
        }
        if (virq.equals(Virq.TIMER)) {
            kernel.timerChanged(vcpu.id);
        }
        return channel.port;
    }

    /// The vCPU with which a VIRQ that notifies `vcpu` is registered.
    Vcpu holder(Virq virq, int vcpu) {
        return owner.vcpu(virq.isGlobal() ? 0 : vcpu);
    }

    /// Frees the VIRQ of a channel that is being closed. The caller holds the binding lock.
    ///
    /// @param vcpu the vCPU that the channel notified
    /// @return whether [#timerChanged] has to be called for this vCPU when all locks are released
    boolean unregister(Virq virq, int vcpu) {
        holder(virq, vcpu).virqPorts.set(virq.number(), 0);
        return virq.equals(Virq.TIMER);
    }

    /// Called with no lock held.
    void timerChanged(int vcpu) {
        kernel.timerChanged(owner.vcpu(vcpu).id);
    }

    /// Called with no lock held.
    ///
    /// @param all whether to include vCPUs without a timer VIRQ
    void timersChanged(boolean all) {
        for (int i = 0; i < owner.vcpus(); i++) {
            if (all || owner.vcpu(i).virqPorts.get(Virq.TIMER.number()) != 0) {
                timerChanged(i);
            }
        }
    }

    /// Raises a VIRQ that is registered with vCPU `holder`.
    ///
    /// @return whether it is bound
    boolean raise(Virq virq, int holder) {
        EvtchnPort port = EvtchnPort.of(owner.vcpu(holder).virqPorts.get(virq.number()));
        Channel channel = owner.ports.find(port);
        if (channel == null) {
            return false;
        }
        Vcpu due;
        synchronized (channel) {
            // The channel may have been closed and its port reused since it was found.
            if (channel.type != ChannelType.VIRQ
                    || !virq.equals(channel.virq)
                    || (!virq.isGlobal() && channel.vcpu != holder)) {
                return false;
            }
            due = owner.delivery.raise(channel);
        }
        owner.delivery.upcall(due);
        return true;
    }
}
