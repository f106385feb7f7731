package io.xenemu.core.backend.block;

import io.xenemu.core.backend.BackendConnection;
import io.xenemu.core.backend.Frontend;
import io.xenemu.core.backend.FrontendError;
import io.xenemu.core.backend.FrontendNodes;
import io.xenemu.core.backend.QueueThread;
import io.xenemu.core.backend.ring.SharedRing;
import io.xenemu.evtchn.ServicePort;
import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/// A guest's connection to a disk: its queues.
final class BlockConnection implements BackendConnection {
    /// A connection that is ended drains until it succeeds, one that is only held once: so many times in a row in vain
    /// are an end that takes long.
    private static final int PATIENCE = 2;

    private final BlockBackend backend;
    private final Frontend front;
    private final Arena arena = Arena.ofShared();
    private final List<BlockQueue> queues = new ArrayList<>();

    /// Calls of [#drain] since the queues ran.
    private int drains;

    BlockConnection(BlockBackend backend, Frontend front) {
        this.backend = backend;
        this.front = front;
    }

    /// Connects the next queue: its ring, its thread and its event channel.
    void add(FrontendNodes nodes, BlockAbi abi, QueueSurroundings around) throws FrontendError {
        MemorySegment pages = front.map(nodes.ring(BlockBackend.MAX_RING_ORDER));
        SharedRing ring;
        try {
            ring = SharedRing.attach(pages, abi.layout(), arena);
        } catch (XenError e) {
            throw new FrontendError(e, "the ring's indices do not belong together");
        }
        int number = queues.size();
        Signals signals = new Signals(backend, front, number);
        BlockQueue queue = new BlockQueue(ring, abi, around, signals);
        queues.add(queue);
        QueueThread thread = front.thread(number, queue::run);
        signals.thread = thread;
        signals.port = front.bind(nodes.port("event-channel"), thread);
    }

    /// The ways of one queue to its guest and its thread, which exist before any work runs.
    private static final class Signals implements QueueSignals {
        private final BlockBackend backend;
        private final Frontend front;
        private final int number;
        private @Nullable QueueThread thread;
        private @Nullable ServicePort port;

        Signals(BlockBackend backend, Frontend front, int number) {
            this.backend = backend;
            this.front = front;
            this.number = number;
        }

        @Override
        public void notifyGuest() {
            Objects.requireNonNull(port).notifyGuest();
        }

        @Override
        public void wake() {
            Objects.requireNonNull(thread).signal();
        }

        @Override
        public void wakeAfter(long nanos) {
            backend.wakeAfter(Objects.requireNonNull(thread), nanos);
        }

        @Override
        public void failed(BlockOp op, int errno) {
            backend.failed(front.device(), op, errno);
        }

        @Override
        public void broken() {
            front.broken(
                    new FrontendError(
                            XenError.EIO,
                            "more requests than the ring of queue " + number + " has"));
        }
    }

    @Override
    public SequencedMap<String, String> properties() {
        return backend.size();
    }

    @Override
    public boolean drain(Duration limit) throws InterruptedException {
        long deadline = System.nanoTime() + limit.toNanos();
        boolean all = true;
        for (BlockQueue queue : queues) {
            all &= queue.drain(Duration.ofNanos(Math.max(0, deadline - System.nanoTime())));
        }
        drains++;
        if (!all && drains >= PATIENCE) {
            queues.forEach(BlockQueue::giveUp);
            backend.giveUp();
        }
        return all;
    }

    @Override
    public void resume() {
        drains = 0;
        queues.forEach(BlockQueue::resume);
    }

    /// Releases the queues' buffers. Their threads have no work any more: a drained queue takes nothing.
    @Override
    public void close() {
        backend.disconnected();
        queues.forEach(BlockQueue::close);
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }
}
