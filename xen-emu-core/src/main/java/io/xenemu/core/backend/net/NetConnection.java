package io.xenemu.core.backend.net;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.backend.BackendConnection;
import io.xenemu.core.backend.Frontend;
import io.xenemu.core.backend.FrontendError;
import io.xenemu.core.backend.FrontendNodes;
import io.xenemu.core.toolstack.MacAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/// A guest's connection to its network interface: up to eight queues, each with two rings, one or two event channels
/// and a thread, which waits for the host's end and a timer too; and perhaps a control ring.
final class NetConnection implements BackendConnection.Reconfigurable {
    /// The nodes of the control ring.
    private static final String CONTROL_RING = "ctrl-ring-ref";

    private static final String CONTROL_PORT = "event-channel-ctrl";

    private final Frontend front;
    private final HostLink link;
    private final MulticastFilter filter;
    private final List<NetQueue> queues = new ArrayList<>();

    /// What each queue is connected by, for [#save].
    private final List<NetWires> wires = new ArrayList<>();

    private @Nullable Control control;

    private record Control(int ref, int port, ControlRing ring) {}

    /// Whether the guest was restored and has not gone on.
    private boolean isRestored;

    @GuardedBy("this")
    private int stalls;

    private NetConnection(Frontend front, HostLink link, MulticastFilter filter) {
        this.front = front;
        this.link = link;
        this.filter = filter;
    }

    /// What an interface is on the host.
    ///
    /// @param link the host's end, with as many queues as were offered
    record Host(HostLink link, NetMetrics metrics, TxCredit.Rate rate) {}

    /// Connects to a front end.
    static NetConnection connect(Frontend front, Host host) throws FrontendError {
        NetFrontend wants = NetFrontend.of(front.nodes());
        List<FrontendNodes> nodes = front.nodes().queues(host.link.maxQueues());
        MulticastFilter filter = new MulticastFilter(wants.filters());
        NetConnection connection = new NetConnection(front, host.link, filter);
        NetQueues maker = NetQueues.prepare(front, host, wants.features(), filter, nodes.size());
        for (FrontendNodes queue : nodes) {
            connection.add(maker, NetWires.of(queue), NetQueues.NEW, NetQueues.NEW);
        }
        if (front.nodes().has(CONTROL_RING)) {
            connection.control(
                    maker,
                    front.nodes().ref(CONTROL_RING).value(),
                    front.nodes().port(CONTROL_PORT).value(),
                    NetQueues.NEW);
        }
        connection.begin();
        return connection;
    }

    /// Connects to the rings of a restored guest as its connection was.
    ///
    /// @param address the guest's, which is announced when it goes on
    /// @throws FrontendError if its grants or ports are not there any more
    static NetConnection restore(
            Frontend front, Host host, NetState.Connection state, MacAddress address)
            throws FrontendError {
        MulticastFilter filter = new MulticastFilter(state.filters());
        filter.restore(state.addresses());
        NetConnection connection = new NetConnection(front, host.link, filter);
        NetQueues maker =
                NetQueues.prepare(front, host, state.features(), filter, state.queues().size());
        for (NetState.Queue queue : state.queues()) {
            connection.add(
                    maker,
                    queue.wires(),
                    NetQueues.restored(queue.tx()),
                    NetQueues.restored(queue.rx()));
        }
        NetState.Control control = state.control();
        if (control != null) {
            connection.control(
                    maker, control.ref(), control.port(), NetQueues.restored(control.ring()));
        }
        connection.queues.getFirst().announce(maker.announcement(address));
        connection.isRestored = true;
        connection.begin();
        return connection;
    }

    private void add(NetQueues maker, NetWires by, NetQueues.RingOrigin tx, NetQueues.RingOrigin rx)
            throws FrontendError {
        queues.add(maker.queue(queues.size(), by, tx, rx, this::stalled));
        wires.add(by);
    }

    private void control(NetQueues maker, int ref, int port, NetQueues.RingOrigin origin)
            throws FrontendError {
        control = new Control(ref, port, maker.control(queues.size(), ref, port, origin));
    }

    private void begin() {
        link.follow(changed -> front.update(changed, false));
        link.carrier(true);
    }

    /// The connection's state. It is drained, and its threads stand still.
    NetState.Connection save() {
        List<NetState.Queue> saved = new ArrayList<>();
        for (int i = 0; i < queues.size(); i++) {
            NetQueue queue = queues.get(i);
            saved.add(new NetState.Queue(wires.get(i), queue.tx(), queue.rx()));
        }
        Control current = control;
        return new NetState.Connection(
                queues.getFirst().features(),
                filter.isEnabled(),
                filter.addresses(),
                saved,
                current == null
                        ? null
                        : new NetState.Control(current.ref, current.port, current.ring.save()));
    }

    /// The cable is plugged in as long as no queue is stalled.
    private synchronized void stalled(boolean isStalled) {
        stalls += isStalled ? 1 : -1;
        link.carrier(stalls == 0);
    }

    @Override
    public SequencedMap<String, String> properties() {
        return new LinkedHashMap<>(link.properties());
    }

    @Override
    public void reconfigure(FrontendNodes nodes) throws FrontendError {
        int headroom = NetFrontend.headroom(nodes);
        queues.forEach(queue -> queue.headroom(headroom));
    }

    /// No call to the host is in flight once no queue runs.
    @Override
    public boolean drain(Duration limit) {
        queues.forEach(NetQueue::stop);
        return true;
    }

    /// The nodes of a restored guest tell of the host's end that it had.
    @Override
    public void resume() {
        queues.forEach(NetQueue::resume);
        if (isRestored) {
            isRestored = false;
            front.update(properties(), false);
        }
    }

    /// The frame ends the threads, and then what [#connect] has left for after them.
    @Override
    public void close() {
        queues.forEach(NetQueue::stop);
    }
}
