package io.xenemu.core.backend.net;

import io.xenemu.core.backend.Frontend;
import io.xenemu.core.backend.FrontendError;
import io.xenemu.core.backend.QueueThread;
import io.xenemu.core.backend.ring.RingLayout;
import io.xenemu.core.backend.ring.RingState;
import io.xenemu.core.backend.ring.SharedRing;
import io.xenemu.core.toolstack.MacAddress;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.evtchn.ServicePort;
import io.xenemu.gnttab.GrantRef;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.thread.TimerFd;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/// Makes the queues of one connection, with their threads and event channels.
///
/// @param buffers lasts as long as they do
record NetQueues(
        Frontend front,
        NetConnection.Host host,
        RxFeatures features,
        MulticastFilter filter,
        Arena buffers) {
    /// Makes the back end's side of a ring.
    @FunctionalInterface
    interface RingOrigin {
        SharedRing on(MemorySegment page, RingLayout layout, Arena buffers) throws XenError;
    }

    /// That of a guest that connects.
    static final RingOrigin NEW = SharedRing::attach;

    /// That of a restored guest.
    static RingOrigin restored(RingState state) {
        return (page, layout, buffers) -> SharedRing.restore(page, layout, buffers, state);
    }

    /// Brings the host's end to a number of queues.
    static NetQueues prepare(
            Frontend front,
            NetConnection.Host host,
            RxFeatures features,
            MulticastFilter filter,
            int count) {
        Arena buffers = Arena.ofShared();
        front.afterThreads(() -> {
            host.link().disconnect();
            buffers.close();
        });
        host.link().connect(count, features.offloads());
        return new NetQueues(front, host, features, filter, buffers);
    }

    /// Makes the next queue.
    NetQueue queue(
            int number,
            NetWires wires,
            RingOrigin txOrigin,
            RingOrigin rxOrigin,
            NetQueue.Stalls stalled)
            throws FrontendError {
        NetMetrics.Queue counters = host.metrics().queue(number);
        FramePort port = host.link().port(number);
        TxQueue tx =
                new TxQueue(
                        ring("tx", wires.tx(), Netif.TX_RING, txOrigin),
                        new PinnedPages(front.grants(), TxPacket.SERVED_SLOTS),
                        port,
                        new TxCredit(host.rate(), System.nanoTime()),
                        filter,
                        counters.tx(),
                        buffers);
        RxQueue rx =
                new RxQueue(
                        ring("rx", wires.rx(), Netif.RX_RING, rxOrigin),
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
        boolean isSplit = wires.rxPort() != wires.txPort();
        Event rxEvent = isSplit ? new Event() : txEvent;
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
        thread.watch(host.link().fd(number));
        thread.watch(timer.fd());
        txEvent.port = front.bind(new EvtchnPort(wires.txPort()), thread);
        if (isSplit) {
            rxEvent.port = front.bind(new EvtchnPort(wires.rxPort()), thread);
        }
        return queue;
    }

    private SharedRing ring(String name, int ref, RingLayout layout, RingOrigin origin)
            throws FrontendError {
        MemorySegment page = front.map(new GrantRef(ref));
        try {
            return origin.on(page, layout, buffers);
        } catch (XenError e) {
            throw new FrontendError(e, "the ring " + name + " has impossible indices");
        }
    }

    private void broken(int number, String name) {
        front.broken(
                new FrontendError(
                        XenError.EIO, "the ring %s of queue %d is broken".formatted(name, number)));
    }

    /// Serves the control ring, beside the queues: only Windows' driver uses it, and rarely.
    ///
    /// @param number a queue that there is not
    ControlRing control(int number, int ref, int port, RingOrigin origin) throws FrontendError {
        Event event = new Event();
        Again again = new Again();
        ControlRing control =
                new ControlRing(ring("ctrl", ref, Netif.CONTROL_RING, origin), event, again);
        QueueThread thread = front.thread(number, control);
        again.thread = thread;
        event.port = front.bind(new EvtchnPort(port), thread);
        return control;
    }

    /// The announcement of a restored guest, by its first queue.
    Announcement announcement(MacAddress address) {
        return new Announcement(address, host.link().port(0), buffers, System.nanoTime());
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
}
