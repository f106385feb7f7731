package io.xenemu.core.backend;

import io.xenemu.core.toolstack.DeviceKind;
import io.xenemu.core.toolstack.DeviceSpec;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.evtchn.ServicePort;
import io.xenemu.gnttab.GrantRef;
import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/// A device that connects as a disk with several queues does, and whose work is to add one to a word of its ring. Tests
/// make its steps fail, and hold its requests.
public final class NullKind implements BackendKind {
    static final int QUEUES = 4;
    static final int ORDER = 2;
    private static final long NAP_NANOS = 1_000_000;

    /// Devices that are open.
    public final AtomicInteger open = new AtomicInteger();

    /// Connections that have not been closed.
    final AtomicInteger connections = new AtomicInteger();

    /// Runs of the queues' work.
    final AtomicInteger runs = new AtomicInteger();

    /// Drains that succeeded.
    final AtomicInteger drains = new AtomicInteger();

    /// Called at each open.
    volatile Runnable opening = () -> {};

    /// Whether one device can be open at a time.
    public volatile boolean exclusive;

    /// Whether requests stay in flight: [BackendConnection#drain] waits for them.
    public volatile boolean inFlight;

    /// Whether the work sleeps in the middle.
    volatile boolean asleep;

    /// Whether the end of a connection fails with a bug.
    volatile boolean failingClose;

    /// Whether the work finds nothing to do.
    volatile boolean idle;

    /// Whether the work is in the middle.
    volatile boolean working;

    /// The step of connecting that fails, from 1; 0 for none.
    volatile int failingStep;

    /// The failure of that step.
    volatile Throwable failure = new FrontendError(XenError.ENOSPC, "as the test wants");

    /// The last connection's front end.
    volatile @Nullable Frontend front;

    final Handshake handshake;

    /// @param handshake of its front ends
    public NullKind(Handshake handshake) {
        this.handshake = handshake;
    }

    @Override
    public DeviceKind kind() {
        return DeviceKind.VBD;
    }

    @Override
    public Handshake handshake() {
        return handshake;
    }

    @Override
    public BackendDevice open(DeviceSpec spec) throws Refused {
        opening.run();
        if (spec.toString().contains("missing")) {
            throw new Refused("missing: no such file");
        }
        if (exclusive && open.get() > 0) {
            throw new Refused("another guest uses the file");
        }
        open.incrementAndGet();
        return new Device();
    }

    private void step(int number) throws FrontendError {
        if (number == failingStep) {
            switch (failure) {
                case FrontendError e -> throw e;
                case RuntimeException e -> throw e;
                case Error e -> throw e;
                default -> throw new IllegalStateException(failure);
            }
        }
    }

    private final class Device implements BackendDevice {
        @Override
        public SequencedMap<String, String> features(PvDevice device) {
            return new LinkedHashMap<>(
                    Map.of(
                            "max-ring-page-order", Integer.toString(ORDER),
                            "multi-queue-max-queues", Integer.toString(QUEUES)));
        }

        @Override
        public BackendConnection connect(Frontend frontend) throws FrontendError {
            step(1);
            front = frontend;
            List<FrontendNodes> queues = frontend.nodes().queues(QUEUES);
            step(2);
            int number = 0;
            for (FrontendNodes queue : queues) {
                List<GrantRef> refs = queue.ring(ORDER);
                MemorySegment ring = frontend.map(refs);
                step(3);
                QueueThread thread = frontend.thread(number, () -> work(ring));
                step(4);
                ServicePort port = frontend.bind(queue.port("event-channel"), thread);
                step(5);
                port.notifyGuest();
                number++;
            }
            step(6);
            connections.incrementAndGet();
            return handshake == Handshake.CONNECTED ? new Changing() : new Connection();
        }

        private boolean work(MemorySegment ring) {
            working = true;
            while (asleep) {
                LockSupport.parkNanos(NAP_NANOS);
            }
            ring.set(ValueLayout.JAVA_INT, 0, ring.get(ValueLayout.JAVA_INT, 0) + 1);
            working = false;
            runs.incrementAndGet();
            return !idle;
        }

        @Override
        public Optional<String> blocker() {
            return Optional.of("a null device cannot be saved");
        }

        @Override
        public void close() {
            open.decrementAndGet();
        }
    }

    private class Connection implements BackendConnection {
        private boolean closed;

        @Override
        public SequencedMap<String, String> properties() {
            return new LinkedHashMap<>(Map.of("sectors", "8"));
        }

        @Override
        public boolean drain(Duration limit) throws InterruptedException {
            long deadline = System.nanoTime() + limit.toNanos();
            while (inFlight && deadline - System.nanoTime() > 0) {
                Thread.sleep(1);
            }
            if (!inFlight) {
                drains.incrementAndGet();
            }
            return !inFlight;
        }

        @Override
        public void resume() {}

        @Override
        public void close() {
            if (!closed) {
                closed = true;
                connections.decrementAndGet();
                if (failingClose) {
                    throw new IllegalStateException("a bug");
                }
            }
        }
    }

    private final class Changing extends Connection implements BackendConnection.Reconfigurable {
        @Override
        public void reconfigure(FrontendNodes nodes) throws FrontendError {
            int _ = nodes.number("xdp-headroom", 0, 256);
        }
    }
}
