package io.xenemu.evtchn;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// Converts between live bindings and [EventChannelsState].
final class Snapshot {
    private Snapshot() {}

    static EventChannelsState save(Bindings from) {
        List<EventChannelsState.Port> saved = new ArrayList<>();
        from.lock.lock();
        try {
            int size = from.ports.size();
            for (int i = 1; i < size; i++) {
                Channel channel = from.ports.at(i);
                if (channel.type != ChannelType.CLOSED) {
                    saved.add(new EventChannelsState.Port(i, from.status(channel)));
                }
            }
            Fifo fifo = from.delivery.fifo();
            return new EventChannelsState(
                    from.domId,
                    from.vcpus(),
                    size,
                    saved,
                    from.pirqs.save(),
                    fifo == null ? null : FifoSnapshot.save(from, fifo));
        } finally {
            from.lock.unlock();
        }
    }

    /// Fills bindings that no other thread uses yet.
    ///
    /// @throws IllegalArgumentException if the state contradicts itself
    static void load(Bindings into, EventChannelsState state, GuestPages guest) {
        require(state.vcpus() == into.vcpus(), "another number of vCPUs");
        into.lock.lock();
        try {
            into.pirqs.load(state.pirqs());
            require(into.ports.growTo(state.validPorts()), "no room for its ports");
            Map<Integer, EvtchnStatus> byNumber = new HashMap<>();
            for (EventChannelsState.Port port : state.ports()) {
                require(byNumber.put(port.number(), port.status()) == null, port);
                load(into, port);
            }
            for (EventChannelsState.Port port : state.ports()) {
                if (port.status() instanceof EvtchnStatus.Interdomain end
                        && end.remote().equals(into.domId)) {
                    boolean mutual =
                            byNumber.get(end.port().value())
                                            instanceof EvtchnStatus.Interdomain back
                                    && back.remote().equals(into.domId)
                                    && back.port().value() == port.number();
                    require(mutual, port);
                    connect(into, port.number(), end.port().value());
                }
            }
            FifoState fifo = state.fifo();
            if (fifo != null) {
                into.fifoSwitch.restored(FifoSnapshot.load(into, fifo, guest));
            }
        } finally {
            into.lock.unlock();
        }
    }

    private static void load(Bindings into, EventChannelsState.Port port) {
        int vcpu = port.status().vcpu().value();
        require(port.number() > 0 && port.number() < into.ports.size(), port);
        require(vcpu < into.vcpus(), port);
        Channel channel = into.ports.take(port.number());
        synchronized (channel) {
            channel.vcpu = vcpu;
            switch (port.status()) {
                case EvtchnStatus.Closed _ -> require(false, port);
                case EvtchnStatus.Unbound unbound -> {
                    channel.remoteDom = unbound.remote();
                    into.retype(channel, ChannelType.UNBOUND);
                }
                case EvtchnStatus.Interdomain end -> {
                    // The other end is not part of this state. If it is in the same domain, it is
                    // connected when all ports exist.
                    channel.remoteDom = end.remote();
                    into.retype(channel, ChannelType.UNBOUND);
                }
                case EvtchnStatus.PirqBound bound -> {
                    channel.pirq = bound.pirq();
                    require(into.pirqs.restored(bound.pirq(), channel.port), port);
                    into.retype(channel, ChannelType.PIRQ);
                }
                case EvtchnStatus.VirqBound bound -> {
                    Virq virq = bound.virq();
                    Vcpu holder = into.virqs.holder(virq, vcpu);
                    require(holder.virqPorts.compareAndSet(virq.number(), 0, port.number()), port);
                    channel.virq = virq;
                    into.retype(channel, ChannelType.VIRQ);
                }
                case EvtchnStatus.Ipi _ -> into.retype(channel, ChannelType.IPI);
            }
        }
    }

    private static void connect(Bindings into, int port, int remotePort) {
        Channel channel = into.ports.at(port);
        synchronized (channel) {
            channel.remote = into.ports.at(remotePort);
            into.retype(channel, ChannelType.INTERDOMAIN);
        }
    }

    static void require(boolean consistent, Object what) {
        if (!consistent) {
            throw new IllegalArgumentException("inconsistent saved event channels: " + what);
        }
    }
}
