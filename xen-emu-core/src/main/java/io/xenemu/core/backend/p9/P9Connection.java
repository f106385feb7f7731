package io.xenemu.core.backend.p9;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import com.google.common.primitives.ImmutableIntArray;
import io.xenemu.core.backend.BackendConnection;
import io.xenemu.core.backend.Frontend;
import io.xenemu.core.backend.FrontendError;
import io.xenemu.core.backend.FrontendNodes;
import io.xenemu.core.backend.QueueThread;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.evtchn.ServicePort;
import io.xenemu.gnttab.GrantRef;
import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A guest's connection to a share. The engine of each ring's queue watches its event channel and wakes workers. A
/// worker is a thread of the connection that carries out one request at a time, from any ring: it may wait for a file,
/// and an engine must not.
final class P9Connection implements BackendConnection {
    private static final Logger log = LoggerFactory.getLogger(P9Connection.class);

    /// Threads that carry out requests: files of the host answer in any order.
    static final int WORKERS = 4;

    /// Requests of one run, after which the frame may stop the worker.
    private static final int BATCH = 64;

    private static final int IDLE = 0;
    private static final int BUSY = 1;

    private final P9Server server;
    private final Frontend front;
    private final List<P9Request> own = new ArrayList<>();
    private final List<QueueThread> workers = new ArrayList<>();
    private final AtomicIntegerArray states = new AtomicIntegerArray(WORKERS);

    private final P9Requests requests;

    /// What each ring was made from, for [#save].
    private final List<Attached> attached = new ArrayList<>();

    private record Attached(GrantRef ref, List<GrantRef> pages, EvtchnPort port, P9Queue queue) {}

    /// Broken rings that the frame knows of.
    private final AtomicInteger brokenSaid = new AtomicInteger();

    /// The largest message that the rings pass.
    private int mostBytes;

    private P9Connection(Frontend front, P9Server server, P9Observer observer) {
        this.front = front;
        this.server = server;
        for (int worker = 0; worker < WORKERS; worker++) {
            own.add(new P9Request());
        }
        requests = new P9Requests(server, observer, own);
    }

    /// Connects to all of a front end's rings.
    ///
    /// @throws FrontendError if its nodes, grants, ports or rings are wrong
    static P9Connection connect(Frontend front, P9Server server, P9Observer observer)
            throws FrontendError {
        P9Connection connection = new P9Connection(front, server, observer);
        boolean done = false;
        try {
            connection.connect();
            done = true;
            return connection;
        } finally {
            if (!done) {
                connection.close();
            }
        }
    }

    private void connect() throws FrontendError {
        FrontendNodes nodes = front.nodes();
        nodes.number("version", 1, 1);
        int rings = nodes.number("num-rings", 1, P9Share.RINGS_MAX);
        List<Pages> pages = new ArrayList<>();
        mostBytes = P9Server.MSIZE_MAX;
        for (int ring = 0; ring < rings; ring++) {
            Pages mapped = map(nodes.ref("ring-ref" + ring), ring);
            pages.add(mapped);
            mostBytes = (int) Math.min(mostBytes, mapped.data().byteSize() / 2);
        }
        for (int ring = 0; ring < rings; ring++) {
            EvtchnPort guestPort = nodes.port("event-channel-" + ring);
            ServicePort port = bind(ring, guestPort);
            Pages own = pages.get(ring);
            add(own, guestPort, attach(own, mostBytes, port, ring));
        }
        begin();
    }

    private ServicePort bind(int ring, EvtchnPort guestPort) throws FrontendError {
        QueueThread watcher = front.thread(ring, () -> watch(ring));
        return front.bind(guestPort, watcher);
    }

    private void add(Pages pages, EvtchnPort guestPort, P9Queue queue) {
        attached.add(new Attached(pages.ref(), pages.refs(), guestPort, queue));
        requests.add(queue);
    }

    /// Starts the workers, and tells the server of the guest. All rings are there.
    private void begin() throws FrontendError {
        for (int worker = 0; worker < WORKERS; worker++) {
            int number = worker;
            workers.add(front.worker(1 + worker, () -> work(number)));
        }
        server.connect(mostBytes);
        server.charge(front.descriptors());
    }

    /// Connects to the rings of a restored guest as its connection was. It stands still until [#resume].
    ///
    /// @param descriptors of its files, taken over
    /// @throws FrontendError if its grants or ports are not there any more
    static P9Connection restore(
            Frontend front,
            P9Server server,
            P9Observer observer,
            P9State.Connection state,
            ImmutableIntArray descriptors)
            throws FrontendError {
        P9Connection connection = new P9Connection(front, server, observer);
        boolean done = false;
        try {
            connection.restore(state, descriptors);
            done = true;
            return connection;
        } finally {
            if (!done) {
                connection.close();
            }
        }
    }

    private void restore(P9State.Connection state, ImmutableIntArray descriptors)
            throws FrontendError {
        mostBytes = state.most();
        for (int ring = 0; ring < state.rings().size(); ring++) {
            P9State.Ring saved = state.rings().get(ring);
            GrantRef ref = new GrantRef(saved.ref());
            List<GrantRef> refs = saved.pages().stream().map(GrantRef::new).toList();
            Pages pages = new Pages(ref, refs, front.map(ref), front.map(refs));
            EvtchnPort guestPort = new EvtchnPort(saved.port());
            ServicePort port = bind(ring, guestPort);
            int number = ring;
            int flushes =
                    (int) state.flushes().stream().filter(flush -> flush.ring() == number).count();
            add(
                    pages,
                    guestPort,
                    P9Queue.restored(
                            pages.shared(),
                            pages.data(),
                            mostBytes,
                            port::notifyGuest,
                            saved.queue(),
                            flushes));
        }
        requests.restore(state.flushes());
        begin();
        P9State.Files files = state.files();
        if (files != null) {
            server.take(
                    own.getFirst().scratch,
                    state.msize(),
                    new P9HandedFids.Given(state.fids(), files, descriptors));
            return;
        }
        int stale = server.restore(own.getFirst().scratch, state.msize(), state.fids());
        if (stale > 0) {
            log.warn(
                    "{}: {} of {} files of the guest are not there any more",
                    front.device(),
                    stale,
                    state.fids().size());
        }
    }

    /// The connection's state. It is drained, and its threads stand still.
    ///
    /// @param given the guest's fids for another process of this host; null to save them by their paths
    P9State.Connection save(P9HandedFids.@Nullable Given given) {
        return new P9State.Connection(
                mostBytes,
                server.msize(),
                attached.stream()
                        .map(ring ->
                                new P9State.Ring(
                                        ring.ref().value(),
                                        ring.pages().stream().map(GrantRef::value).toList(),
                                        ring.port().value(),
                                        ring.queue().save()))
                        .toList(),
                requests.save(),
                given == null ? server.save(own.getFirst().scratch) : given.fids(),
                given == null ? null : given.files());
    }

    /// A ring's pages, and their grants.
    ///
    /// @param ref of the interface page
    /// @param refs of the rings' pages
    private record Pages(
            GrantRef ref, List<GrantRef> refs, MemorySegment shared, MemorySegment data) {}

    /// Maps the interface page, and then the pages that it names. Both are read once.
    private Pages map(GrantRef ref, int ring) throws FrontendError {
        MemorySegment shared = front.map(ref);
        int order = shared.get(JAVA_INT, P9Queue.RING_ORDER);
        if (order < P9Queue.ORDER_MIN || order > P9Queue.ORDER_MAX) {
            throw new FrontendError(
                    XenError.EINVAL,
                    "the order of ring %d is %s, and can be %d to %d"
                            .formatted(
                                    ring,
                                    Integer.toUnsignedString(order),
                                    P9Queue.ORDER_MIN,
                                    P9Queue.ORDER_MAX));
        }
        List<GrantRef> refs = new ArrayList<>();
        for (int page = 0; page < 1 << order; page++) {
            refs.add(
                    new GrantRef(shared.get(JAVA_INT, P9Queue.REFS + (long) page * Integer.BYTES)));
        }
        return new Pages(ref, refs, shared, front.map(refs));
    }

    private static P9Queue attach(Pages pages, int mostBytes, ServicePort port, int ring)
            throws FrontendError {
        try {
            return P9Queue.attach(pages.shared(), pages.data(), mostBytes, port::notifyGuest);
        } catch (XenError e) {
            throw new FrontendError(e, "the indices of ring " + ring + " do not belong together");
        }
    }

    /// The work of a ring's queue, which never waits.
    private boolean watch(int ring) {
        boolean progress = requests.hasProgressed(ring);
        if (!requests.hasMore()) {
            // That may let further ones wait.
            requests.answerFlushes();
        }
        if (requests.hasMore()) {
            wakeOne();
        }
        sayBroken();
        return progress;
    }

    private void wakeOne() {
        for (int worker = 0; worker < WORKERS; worker++) {
            if (states.get(worker) == IDLE) {
                workers.get(worker).signal();
                return;
            }
        }
        // Each of the busy ones looks again before it becomes idle.
    }

    /// The work of one worker. Only this connection wakes it, and never without a reason.
    private boolean work(int worker) {
        P9Request request = own.get(worker);
        int left = BATCH;
        do {
            states.set(worker, BUSY);
            while (left > 0 && serve(request)) {
                left--;
            }
            requests.answerFlushes();
            states.set(worker, IDLE);
        } while (left > 0 && requests.hasMore() && left-- > 0);
        if (left <= 0) {
            workers.get(worker).signal();
        }
        return true;
    }

    /// Carries out one request.
    ///
    /// @return false if there is none
    private boolean serve(P9Request request) {
        int taken = requests.take(request);
        if (taken < 0) {
            request.grow(-taken);
            return true;
        }
        if (taken == P9Requests.NOTHING) {
            return false;
        }
        if (requests.hasMore()) {
            wakeOne();
        }
        boolean answered = false;
        try {
            int bytes =
                    server.handle(
                            request.scratch,
                            request.asked(),
                            taken,
                            request.answer(),
                            request.bound);
            answered = true;
            requests.answer(request, bytes);
        } finally {
            if (!answered) {
                requests.drop(request);
            }
        }
        return true;
    }

    /// Tells once of each ring that the guest has broken. The others go on.
    private void sayBroken() {
        int broken = requests.broken();
        if (broken > brokenSaid.getAndAccumulate(broken, Math::max)) {
            front.broken(new FrontendError(XenError.EIO, "a ring's indices or sizes are wrong"));
        }
    }

    /// Requests that run, and Tflush that wait for them.
    int inFlight() {
        return requests.inFlight();
    }

    @Override
    public SequencedMap<String, String> properties() {
        return new LinkedHashMap<>();
    }

    @Override
    public boolean drain(Duration limit) throws InterruptedException {
        return requests.drain(limit);
    }

    @Override
    public void resume() {
        requests.resume();
    }

    /// No work runs. The guest's fids are gone with the connection.
    @Override
    public void close() {
        requests.close();
        own.forEach(P9Request::close);
        server.disconnect();
    }
}
