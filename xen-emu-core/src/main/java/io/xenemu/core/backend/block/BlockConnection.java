package io.xenemu.core.backend.block;

import io.xenemu.core.backend.BackendConnection;
import io.xenemu.core.backend.Frontend;
import io.xenemu.core.backend.FrontendError;
import io.xenemu.core.backend.FrontendNodes;
import io.xenemu.core.backend.QueueThread;
import io.xenemu.core.backend.ring.SharedRing;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.evtchn.ServicePort;
import io.xenemu.gnttab.GrantRef;
import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.concurrent.Future;
import org.jspecify.annotations.Nullable;

/// A guest's connection to a disk: its queues.
final class BlockConnection implements BackendConnection.Settling {
    /// A connection that is ended drains until it succeeds, one that is only held once: so many times in a row in vain
    /// are an end that takes long.
    private static final int PATIENCE = 2;

    private final BlockBackend backend;
    private final Frontend front;
    private final BlockAbi abi;
    private final Arena arena = Arena.ofShared();
    private final List<BlockQueue> queues = new ArrayList<>();

    /// What each queue was made from, for [#save].
    private final List<Attached> attached = new ArrayList<>();

    private record Attached(List<GrantRef> pages, EvtchnPort port) {}

    /// The flush before a save.
    private final StoreFlush flush = new StoreFlush(arena);

    /// Whether the guest has to be told of the disk's size when it goes on.
    private boolean hasGrown;

    /// Calls of [#drain] since the queues ran.
    private int drains;

    BlockConnection(BlockBackend backend, Frontend front, BlockAbi abi) {
        this.backend = backend;
        this.front = front;
        this.abi = abi;
    }

    /// Connects the next queue: its ring, its thread and its event channel.
    void add(FrontendNodes nodes, QueueSurroundings around) throws FrontendError {
        add(
                nodes.ring(BlockBackend.MAX_RING_ORDER),
                nodes.port("event-channel"),
                pages -> SharedRing.attach(pages, abi.layout(), arena),
                around);
    }

    /// Connects the next queue of a restored guest, as it was.
    void restore(BlockState.Queue saved, QueueSurroundings around) throws FrontendError {
        BlockQueue queue =
                add(
                        saved.pages().stream().map(GrantRef::new).toList(),
                        new EvtchnPort(saved.port()),
                        pages -> SharedRing.restore(pages, abi.layout(), arena, saved.ring()),
                        around);
        queue.restore(saved.requests());
    }

    /// Makes a ring of its pages.
    private interface Ring {
        SharedRing of(MemorySegment pages) throws XenError;
    }

    private BlockQueue add(
            List<GrantRef> refs, EvtchnPort port, Ring maker, QueueSurroundings around)
            throws FrontendError {
        MemorySegment pages = front.map(refs);
        SharedRing ring;
        try {
            ring = maker.of(pages);
        } catch (XenError e) {
            throw new FrontendError(e, "the ring's indices do not belong together");
        }
        int number = queues.size();
        Signals signals = new Signals(backend, front, number);
        BlockQueue queue = new BlockQueue(ring, abi, around, signals);
        queues.add(queue);
        attached.add(new Attached(refs, port));
        QueueThread thread = front.thread(number, queue::run);
        signals.thread = thread;
        signals.port = front.bind(port, thread);
        return queue;
    }

    /// The guest knows a smaller disk.
    void grown() {
        hasGrown = true;
    }

    /// The connection's state. It is settled, and its threads stand still.
    BlockState.Connection save() {
        List<BlockState.Queue> saved = new ArrayList<>();
        for (int number = 0; number < queues.size(); number++) {
            Attached from = attached.get(number);
            BlockQueue queue = queues.get(number);
            saved.add(
                    new BlockState.Queue(
                            from.pages().stream().map(GrantRef::value).toList(),
                            from.port().value(),
                            queue.ring(),
                            queue.requests()));
        }
        return new BlockState.Connection(abi, saved);
    }

    /// The ways of one queue to its guest and its thread, which exist before any work runs.
    private static final class Signals implements QueueSignals {
        private final BlockBackend backend;
        private final Frontend front;
        private final int number;
        private @Nullable QueueThread thread;
        private @Nullable ServicePort port;

        /// The last one, for the queue's thread, and for whoever has ended that.
        private volatile @Nullable Future<?> wakeUp;

        Signals(BlockBackend backend, Frontend front, int number) {
            this.backend = backend;
            this.front = front;
            this.number = number;
            front.afterThreads(this::forgetWakeUp);
        }

        /// A guest that connects again and again leaves none behind, however long its disk's limits are.
        private void forgetWakeUp() {
            Future<?> last = wakeUp;
            if (last != null) {
                last.cancel(false);
            }
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
            wakeUp = backend.wakeAfter(Objects.requireNonNull(thread), nanos);
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

    /// Whether requests are in flight.
    boolean isBusy() {
        return queues.stream().anyMatch(BlockQueue::isBusy);
    }

    @Override
    public boolean drain(Duration limit) throws InterruptedException {
        long deadline = System.nanoTime() + limit.toNanos();
        boolean all = true;
        for (BlockQueue queue : queues) {
            all &= queue.drain(left(deadline));
        }
        all &= flush.await(left(deadline));
        drains++;
        if (!all && drains >= PATIENCE) {
            queues.forEach(BlockQueue::giveUp);
            backend.giveUp();
        }
        return all;
    }

    private static Duration left(long deadline) {
        return Duration.ofNanos(Math.max(0, deadline - System.nanoTime()));
    }

    /// A file or device of the host may still have requests then: they are parked, and the state has them. Nobody else
    /// opens the disk before they have ended, since it is locked. Other disks are flushed, as their acknowledged writes
    /// are nowhere else.
    @Override
    public Optional<String> settle(Duration limit) throws InterruptedException {
        long deadline = System.nanoTime() + limit.toNanos();
        boolean quiet = true;
        boolean busy = false;
        for (BlockQueue queue : queues) {
            quiet &= queue.park(left(deadline));
            busy |= queue.isBusy();
        }
        if (!quiet || (busy && backend.keepsWrites())) {
            return Optional.of("has requests in flight, and cannot be saved with them");
        }
        return backend.keepsWrites()
                ? flush.run(backend.store(), left(deadline))
                : Optional.empty();
    }

    @Override
    public void resume() {
        drains = 0;
        queues.forEach(BlockQueue::resume);
        if (hasGrown) {
            hasGrown = false;
            front.update(backend.size(), true);
        }
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
