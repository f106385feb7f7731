package io.xenemu.xenstore;

import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.metrics.RequestMetrics;
import io.xenemu.xenstore.metrics.XenStoreMetrics;
import io.xenemu.xenstore.quota.Quotas;
import io.xenemu.xenstore.request.OutputQueue;
import io.xenemu.xenstore.ring.GuestDomains;
import io.xenemu.xenstore.ring.IntroducedRing;
import io.xenemu.xenstore.ring.Ring;
import io.xenemu.xenstore.ring.RingConnection;
import io.xenemu.xenstore.store.Outlet;
import io.xenemu.xenstore.store.Session;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.wire.MessageHeader;
import io.xenemu.xenstore.wire.MessageType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.junit.jupiter.api.Assertions;

/// A server with clients that speak the wire protocol: `dom0` as a tool does, and guests behind rings.
final class Rig implements AutoCloseable {
    final Set<DomId> existing = new HashSet<>(Set.of(DomId.DOM0));

    /// Makes questions about domains fail with an error that is no exception.
    volatile boolean outOfMemory;

    final MeterRegistry registry = new SimpleMeterRegistry();
    final XenStoreServer server;
    private final Arena arena = Arena.ofShared();
    private final Map<Integer, Guest> guests = new HashMap<>();
    private final Map<DomId, MemorySegment> pages = new HashMap<>();

    /// The ends of rings that a tool has introduced.
    final Map<DomId, RingEnd> served = new HashMap<>();

    /// The last one that a tool can introduce a domain with.
    static final int LAST_PORT = 4095;

    Rig() {
        this(Quotas.DEFAULT);
    }

    Rig(Quotas quotas) {
        server =
                new XenStoreServer(
                        quotas, new World(), new XenStoreMetrics(registry), Runnable::run);
    }

    private final class World implements GuestDomains {
        @Override
        public boolean exists(DomId domain) {
            if (outOfMemory) {
                throw new OutOfMemoryError("of a test");
            }
            return existing.contains(domain);
        }

        @Override
        public IntroducedRing ring(DomId domain, long gfn, int port) throws XenError {
            if (!exists(domain)) {
                throw XenError.ENOENT;
            }
            if (port > LAST_PORT) {
                throw XenError.EINVAL;
            }
            MemorySegment page = pages.computeIfAbsent(domain, d -> arena.allocate(4096, 8));
            return new IntroducedRing(
                    new Ring(page, () -> {}, Rig::unexpected, gfn, port),
                    connection -> served.put(domain, new RingEnd(page, connection)));
        }

        @Override
        public void released(DomId domain) {}
    }

    /// A guest's end of its ring.
    static final class Guest {
        final MemorySegment page;
        final AtomicInteger bells = new AtomicInteger();
        final RingConnection connection;

        /// An action of its doorbell, besides being counted.
        volatile Runnable onBell = () -> {};

        /// Told of failures that end it.
        volatile Consumer<Throwable> onFailure = Rig::unexpected;

        Guest(Rig rig, int domain) {
            page = rig.arena.allocate(4096, 8);
            connection =
                    rig.server.introduce(
                            new DomId(domain),
                            new Ring(page, this::ring, e -> onFailure.accept(e), 0, 0));
        }

        private void ring() {
            bells.incrementAndGet();
            onBell.run();
        }
    }

    Guest guest(int domain) {
        existing.add(new DomId(domain));
        return guests.computeIfAbsent(domain, d -> new Guest(this, d));
    }

    /// A client that hands messages straight to the handler.
    Client client(int domain) {
        existing.add(new DomId(domain));
        return new Client(domain);
    }

    /// One message from the server.
    record Reply(int type, int requestId, int transactionId, String text) {
        boolean isError() {
            return type == MessageType.ERROR.code();
        }
    }

    final class Client {
        private final OutputQueue output;
        final Session session;
        private final RequestMetrics metrics;
        private int lastRequest;

        Client(int domain) {
            output = new OutputQueue();
            metrics = new XenStoreMetrics(registry).register(new DomId(domain));
            session =
                    server.access()
                            .connect(
                                    new DomId(domain),
                                    new Outlet() {
                                        @Override
                                        public void watchEvent(Path path, int skip, byte[] token) {
                                            output.event(path, skip, token);
                                        }

                                        @Override
                                        public Runnable flush() {
                                            return () -> {};
                                        }

                                        @Override
                                        public void failed(Throwable failure) {
                                            unexpected(failure);
                                        }
                                    });
        }

        /// Sends a request; returns everything that came since the last call, in order.
        List<Reply> sendRaw(int type, int tx, String payload) {
            byte[] body = payload.getBytes(StandardCharsets.ISO_8859_1);
            byte[] message = new byte[MessageHeader.SIZE + body.length];
            MessageHeader.put(message, 0, MessageType.READ, ++lastRequest, tx, body.length);
            message[0] = (byte) type;
            System.arraycopy(body, 0, message, MessageHeader.SIZE, body.length);
            server.access().enter();
            try {
                server.access().handle(session, output, message, 0, metrics);
            } finally {
                server.access().leave();
            }
            return drain();
        }

        List<Reply> drain() {
            List<Reply> replies = Rig.parse(output.buffer(), output.head(), output.size());
            output.advance(output.size());
            return replies;
        }

        /// The reply's payload, or the error's name; watch events are left out.
        String ask(MessageType type, int tx, String payload) {
            for (Reply reply : sendRaw(type.code(), tx, payload)) {
                if (reply.type != MessageType.WATCH_EVENT.code()) {
                    return reply.isError() ? reply.text.replace("\0", "") : reply.text;
                }
            }
            throw new AssertionError("no reply");
        }

        String ask(MessageType type, String payload) {
            return ask(type, 0, payload);
        }

        /// Watch events that came since the last call, as `path token`.
        List<String> events() {
            List<String> events = new ArrayList<>();
            for (Reply reply : drain()) {
                if (reply.type == MessageType.WATCH_EVENT.code()) {
                    String[] words = reply.text.split("\0", -1);
                    events.add(words[0] + " " + words[1]);
                }
            }
            return events;
        }

        int begin() {
            return Integer.parseInt(ask(MessageType.TRANSACTION_START, "\0").replace("\0", ""));
        }
    }

    static void unexpected(Throwable failure) {
        Assertions.fail(failure);
    }

    static List<Reply> parse(byte[] bytes, int from, int size) {
        List<Reply> replies = new ArrayList<>();
        int at = from;
        while (at < from + size) {
            int length = MessageHeader.length(bytes, at);
            replies.add(
                    new Reply(
                            MessageHeader.type(bytes, at),
                            MessageHeader.requestId(bytes, at),
                            MessageHeader.transactionId(bytes, at),
                            new String(
                                    bytes,
                                    at + MessageHeader.SIZE,
                                    length,
                                    StandardCharsets.ISO_8859_1)));
            at += MessageHeader.SIZE + length;
        }
        return replies;
    }

    @Override
    public void close() {
        server.close();
        arena.close();
    }
}
