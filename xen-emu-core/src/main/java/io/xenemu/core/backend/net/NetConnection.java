package io.xenemu.core.backend.net;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.backend.BackendConnection;
import io.xenemu.core.backend.Frontend;
import io.xenemu.core.backend.FrontendError;
import io.xenemu.core.backend.FrontendNodes;
import io.xenemu.core.backend.QueueThread;
import io.xenemu.core.backend.ring.RingLayout;
import io.xenemu.core.backend.ring.SharedRing;
import io.xenemu.evtchn.ServicePort;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.thread.TimerFd;
import java.lang.foreign.Arena;
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
    private static final String PORT = "event-channel";
    private static final String PORT_TX = "event-channel-tx";
    private static final String PORT_RX = "event-channel-rx";

    private final HostLink link;
    private final List<NetQueue> queues = new ArrayList<>();

    @GuardedBy("this")
    private int stalls;

    private NetConnection(HostLink link) {
        this.link = link;
    }

    /// Connects to a front end.
    ///
    /// @param link the host's end, with as many queues as were offered
    static NetConnection connect(
            Frontend front, HostLink link, NetMetrics metrics, TxCredit.Rate rate)
            throws FrontendError {
        NetFrontend wants = NetFrontend.of(front.nodes());
        List<FrontendNodes> nodes = front.nodes().queues(link.maxQueues());
        Arena buffers = Arena.ofShared();
        front.afterThreads(() -> {
            link.disconnect();
            buffers.close();
        });
        link.connect(nodes.size(), wants.features().offloads());
        NetConnection connection = new NetConnection(link);
        Maker maker =
                new Maker(
                        front,
                        link,
                        wants.features(),
                        new MulticastFilter(wants.filters()),
                        rate,
                        buffers);
        for (int i = 0; i < nodes.size(); i++) {
            connection.queues.add(
                    maker.queue(i, nodes.get(i), metrics.queue(i), connection::stalled));
        }
        if (front.nodes().has(CONTROL_RING)) {
            maker.control(nodes.size());
        }
        link.follow(changed -> front.update(changed, false));
        link.carrier(true);
        return connection;
    }

    /// Makes queues of a front end's nodes.
    private record Maker(
            Frontend front,
            HostLink link,
            RxFeatures features,
            MulticastFilter filter,
            TxCredit.Rate rate,
            Arena buffers) {
        NetQueue queue(
                int number, FrontendNodes nodes, NetMetrics.Queue counters, NetQueue.Stalls stalled)
                throws FrontendError {
            SharedRing txRing = ring(nodes, "tx-ring-ref", Netif.TX_RING);
            SharedRing rxRing = ring(nodes, "rx-ring-ref", Netif.RX_RING);
            FramePort port = link.port(number);
            TxQueue tx =
                    new TxQueue(
                            txRing,
                            new PinnedPages(front.grants(), TxPacket.SERVED_SLOTS),
                            port,
                            new TxCredit(rate, System.nanoTime()),
                            filter,
                            counters.tx(),
                            buffers);
            RxQueue rx =
                    new RxQueue(
                            rxRing,
                            new PinnedPages(front.grants(), RxWindow.CAPACITY),
                            port,
                            features,
                            filter,
                            counters.rx(),
                            buffers);
            // The link's and the timer's.
            front.takeDescriptors(2);
            TimerFd timer = new TimerFd();
            front.afterThreads(timer::close);
            Again again = new Again();
            Event txEvent = new Event();
            Event rxEvent = new Event();
            NetQueue queue =
                    new NetQueue(
                            tx,
                            rx,
                            features.notifies(),
                            new NetQueue.Effects(
                                    txEvent,
                                    rxEvent,
                                    stalled,
                                    name -> broken(number, name),
                                    again,
                                    timer::set));
            QueueThread thread = front.thread(number, queue);
            again.thread = thread;
            thread.watch(link.fd(number));
            thread.watch(timer.fd());
            bind(nodes, thread, txEvent, rxEvent);
            return queue;
        }

        private SharedRing ring(FrontendNodes nodes, String node, RingLayout layout)
                throws FrontendError {
            try {
                return SharedRing.attach(front.map(nodes.ref(node)), layout, buffers);
            } catch (XenError e) {
                throw new FrontendError(e, "the ring at " + node + " has impossible indices");
            }
        }

        /// One event channel for both directions, or one for each.
        private void bind(FrontendNodes nodes, QueueThread thread, Event txEvent, Event rxEvent)
                throws FrontendError {
            if (nodes.has(PORT_TX)) {
                txEvent.port = front.bind(nodes.port(PORT_TX), thread);
                rxEvent.port = front.bind(nodes.port(PORT_RX), thread);
            } else {
                txEvent.port = front.bind(nodes.port(PORT), thread);
                rxEvent.port = txEvent.port;
            }
        }

        private void broken(int number, String name) {
            front.broken(
                    new FrontendError(
                            XenError.EIO,
                            "the ring %s of queue %d is broken".formatted(name, number)));
        }

        /// Serves the control ring, beside the queues: only Windows' driver uses it, and rarely.
        ///
        /// @param number a queue that there is not
        void control(int number) throws FrontendError {
            Event event = new Event();
            Again again = new Again();
            ControlRing control =
                    new ControlRing(
                            ring(front.nodes(), CONTROL_RING, Netif.CONTROL_RING), event, again);
            QueueThread thread = front.thread(number, control);
            again.thread = thread;
            event.port = front.bind(front.nodes().port(CONTROL_PORT), thread);
        }
    }

    /// An event for the guest, whose channel is bound after its queue was made.
    private static final class Event implements Runnable {
        private volatile @Nullable ServicePort port;

        @Override
        public void run() {
            ServicePort bound = port;
            if (bound != null) {
                bound.notifyGuest();
            }
        }
    }

    /// A signal for a thread that is made after its work.
    private static final class Again implements Runnable {
        private volatile @Nullable QueueThread thread;

        @Override
        public void run() {
            QueueThread made = thread;
            if (made != null) {
                made.signal();
            }
        }
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

    @Override
    public void resume() {
        queues.forEach(NetQueue::resume);
    }

    /// The frame ends the threads, and then what [#connect] has left for after them.
    @Override
    public void close() {
        queues.forEach(NetQueue::stop);
    }
}
