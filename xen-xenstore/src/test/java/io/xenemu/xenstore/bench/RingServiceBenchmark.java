package io.xenemu.xenstore.bench;

import io.micrometer.core.instrument.composite.CompositeMeterRegistry;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.XenStoreServer;
import io.xenemu.xenstore.metrics.XenStoreMetrics;
import io.xenemu.xenstore.quota.Quotas;
import io.xenemu.xenstore.ring.GuestDomains;
import io.xenemu.xenstore.ring.IntroducedRing;
import io.xenemu.xenstore.ring.Ring;
import io.xenemu.xenstore.ring.RingConnection;
import io.xenemu.xenstore.tree.Permissions;
import io.xenemu.xenstore.wire.MessageHeader;
import io.xenemu.xenstore.wire.MessageType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/// A guest's READ or WRITE through its ring. It is served on the vCPU's thread, as core does, or by a thread of the
/// store's, which rings back. Each benchmark thread is the one vCPU of a guest of its own: `-t 2` is two guests. A vCPU
/// waits for the doorbell asleep (as when the guest is idle meanwhile), or looks for it all the time, which costs a
/// processor.
///
/// ```
/// ./mvnw -q -pl xen-xenstore -am test-compile dependency:build-classpath -Dmdep.outputFile=target/test.classpath
/// cd xen-xenstore
/// java -cp "target/test-classes:target/classes:$(cat target/test.classpath)" \
///     org.openjdk.jmh.Main RingServiceBenchmark -t 1
/// ```
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 2, time = 1)
@Measurement(iterations = 3, time = 1)
@Fork(1)
public class RingServiceBenchmark {
    private static final int REQUEST_PRODUCER = 0x804;
    private static final int RESPONSE_CONSUMER = 0x808;
    private static final int RESPONSE_PRODUCER = 0x80c;
    private static final int RING_MASK = 1023;

    /// The store and its thread.
    @State(Scope.Benchmark)
    public static class Store {
        private final XenStoreServer server =
                new XenStoreServer(
                        Quotas.DEFAULT,
                        new GuestDomains() {
                            @Override
                            public boolean exists(DomId domain) {
                                return true;
                            }

                            @Override
                            public IntroducedRing ring(DomId domain, long gfn, int port)
                                    throws XenError {
                                throw XenError.ENOENT;
                            }

                            @Override
                            public void released(DomId domain) {}
                        },
                        new XenStoreMetrics(new CompositeMeterRegistry()),
                        Runnable::run);
        private final AtomicInteger domains = new AtomicInteger();
        private final LinkedBlockingQueue<RingConnection> events = new LinkedBlockingQueue<>();
        private final Thread thread = Thread.ofPlatform().daemon().unstarted(this::serve);

        @Setup(Level.Trial)
        public void start() {
            thread.start();
        }

        @TearDown(Level.Trial)
        public void close() throws InterruptedException {
            thread.interrupt();
            thread.join();
            server.close();
        }

        private void serve() {
            try {
                while (true) {
                    events.take().service();
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /// A guest with one vCPU.
    @State(Scope.Thread)
    public static class Guest {
        @Param({"READ", "WRITE"})
        MessageType type = MessageType.READ;

        private final Arena arena = Arena.ofShared();
        private final MemorySegment page = arena.allocate(4096, 4096);
        private byte[] request = {};
        private volatile boolean rung;
        private @Nullable Thread vcpu;
        private @Nullable RingConnection ring;
        private byte[] reply = new byte[RING_MASK + 1];

        @Setup(Level.Trial)
        public void introduce(Store store) throws XenError {
            DomId id = new DomId(store.domains.incrementAndGet());
            String path = "/local/domain/" + id.value() + "/data";
            store.server.client().write(path, "value");
            store.server.client().setPermissions(path, Permissions.of("n" + id.value()));
            vcpu = Thread.currentThread();
            ring = store.server.introduce(id, new Ring(page, this::ring));
            byte[] payload =
                    (type == MessageType.READ ? "data\0" : "data\0value")
                            .getBytes(StandardCharsets.US_ASCII);
            request = new byte[MessageHeader.SIZE + payload.length];
            MessageHeader.put(request, 0, type, 1, 0, payload.length);
            System.arraycopy(payload, 0, request, MessageHeader.SIZE, payload.length);
        }

        private void ring() {
            rung = true;
            LockSupport.unpark(vcpu);
        }

        RingConnection produce() {
            rung = false;
            int producer = page.get(ValueLayout.JAVA_INT, REQUEST_PRODUCER);
            for (int i = 0; i < request.length; i++) {
                page.set(ValueLayout.JAVA_BYTE, (producer + i) & RING_MASK, request[i]);
            }
            page.set(ValueLayout.JAVA_INT, REQUEST_PRODUCER, producer + request.length);
            if (ring == null) {
                throw new IllegalStateException("not introduced");
            }
            return ring;
        }

        void sleep() {
            while (!rung) {
                LockSupport.park(this);
            }
        }

        void look() {
            while (!rung) {
                Thread.onSpinWait();
            }
        }

        byte[] consume() {
            int consumer = page.get(ValueLayout.JAVA_INT, RESPONSE_CONSUMER);
            int count = page.get(ValueLayout.JAVA_INT, RESPONSE_PRODUCER) - consumer;
            if (count <= MessageHeader.SIZE) {
                throw new IllegalStateException("no reply");
            }
            for (int i = 0; i < count; i++) {
                reply[i] = page.get(ValueLayout.JAVA_BYTE, 0x400 + ((consumer + i) & RING_MASK));
            }
            page.set(ValueLayout.JAVA_INT, RESPONSE_CONSUMER, consumer + count);
            if (MessageHeader.type(reply, 0) != type.code()) {
                throw new IllegalStateException("not the reply");
            }
            return reply;
        }
    }

    @Benchmark
    public byte[] onTheVcpu(Guest guest) {
        guest.produce().service();
        return guest.consume();
    }

    @Benchmark
    public byte[] handedOverToASleepingVcpu(Guest guest, Store store) {
        store.events.add(guest.produce());
        guest.sleep();
        return guest.consume();
    }

    @Benchmark
    public byte[] handedOverToALookingVcpu(Guest guest, Store store) {
        store.events.add(guest.produce());
        guest.look();
        return guest.consume();
    }
}
