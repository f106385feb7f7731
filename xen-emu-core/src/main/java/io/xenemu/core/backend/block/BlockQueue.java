package io.xenemu.core.backend.block;

import io.xenemu.core.backend.ring.RingState;
import io.xenemu.core.backend.ring.SharedRing;
import io.xenemu.gnttab.BackendMappings;
import io.xenemu.kvm.abi.Errno;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// One queue of a disk: takes requests from its [RequestRing], has them checked and carried out by the store, and
/// answers. A request that is wrong, or whose pages cannot be mapped, gets an error; nothing else is harmed by it.
///
/// [#run] is called by one thread at a time. Completions of the store may come on other threads. No lock is held while
/// a request is mapped, submitted or unmapped. Nothing here allocates.
final class BlockQueue implements AutoCloseable {
    /// A run of a store that completes at once ends after so long, or so many bytes: other guests' queues wait for the
    /// same engine. One request more may follow, which for a flush is as long as the host's.
    private static final long TURN_NANOS = TimeUnit.MILLISECONDS.toNanos(1);

    private static final long TURN_BYTES = 4 << 20;

    private final Arena arena = Arena.ofShared();
    private final SlotReader reader;
    private final BlockDisk disk;
    private final DiskThrottle throttle;
    private final BackendMappings grants;
    private final BlockMetrics metrics;
    private final LongSupplier clock;
    private final QueueSignals signals;
    private final RequestRing ring;
    private final LateEnds late = new LateEnds();

    /// Whether the store is about to end what is in flight.
    private volatile boolean givenUp;

    /// The data of the run in progress, which alone uses it.
    private long turnBytes;

    /// The neighbours that the run in progress, which alone uses it, has not submitted yet.
    private final JoinedRequests joined = new JoinedRequests();

    BlockQueue(SharedRing ring, BlockAbi abi, QueueSurroundings around, QueueSignals signals) {
        this.reader = new SlotReader(abi, around.disk(), around.grants(), arena);
        this.disk = around.disk();
        this.throttle = around.throttle();
        this.grants = around.grants();
        this.metrics = around.metrics();
        this.clock = around.clock();
        this.signals = signals;
        RequestPool pool = new RequestPool(arena, this::completed);
        this.ring = new RequestRing(ring, pool, reader, throttle, signals);
    }

    /// Serves requests for a turn, at most a ring full, and asks for an event at the next one. Wakes itself for what
    /// the turn leaves.
    ///
    /// @return whether there was anything to do
    boolean run() {
        int limit = ring.beginRun();
        int taken = 0;
        turnBytes = 0;
        try {
            long begun = clock.getAsLong();
            while (taken < limit && !isTurnOver(begun) && serveOne()) {
                taken++;
            }
        } finally {
            submitJoined();
            ring.endRun();
        }
        return taken > 0;
    }

    private boolean isTurnOver(long begun) {
        return turnBytes >= TURN_BYTES || clock.getAsLong() - begun >= TURN_NANOS;
    }

    private boolean serveOne() {
        BlockRequest request = ring.take();
        if (request == null) {
            return false;
        }
        metrics.begun();
        BlockStatus status = admit(request, ring.slot());
        if (status != BlockStatus.OKAY) {
            finish(request, status);
        } else if (request.op().isPlain() && disk.store().isFasterJoined()) {
            join(request);
        } else {
            submitJoined();
            if (request.op() != BlockOp.WRITE_BARRIER || !ring.holdBack(request)) {
                carryOut(request);
            }
        }
        return true;
    }

    /// Adds a request to its neighbours, or submits those and begins anew.
    private void join(BlockRequest request) {
        if (!map(request)) {
            finish(request, BlockStatus.ERROR);
        } else if (!joined.add(request)) {
            submitJoined();
            boolean _ = joined.add(request);
        }
    }

    private void submitJoined() {
        BlockRequest carrier = joined.take();
        if (carrier != null) {
            carrier.submit(disk.store());
        }
    }

    /// Checks a request and counts its data. The guest has an answer also if that fails for a reason of our own.
    ///
    /// @param slot null for one that was taken over
    private BlockStatus admit(BlockRequest request, @Nullable MemorySegment slot) {
        boolean complete = false;
        try {
            BlockStatus status = slot == null ? request.check(disk) : reader.read(request, slot);
            long data = request.op().hasSegments() ? request.bytes() : 0;
            turnBytes += data;
            if (throttle.isLimited()) {
                throttle.letIn(data, System.nanoTime());
            }
            complete = true;
            return status;
        } finally {
            if (!complete) {
                finish(request, BlockStatus.ERROR);
            }
        }
    }

    private void carryOut(BlockRequest request) {
        if (!map(request)) {
            finish(request, BlockStatus.ERROR);
        } else if (request.op() == BlockOp.DISCARD && request.bytes() == 0) {
            finish(request, BlockStatus.OKAY);
        } else {
            request.gather();
            request.submit(disk.store());
        }
    }

    /// Maps the request's pages. The guest has an answer also if that fails for a reason of our own.
    private boolean map(BlockRequest request) {
        boolean complete = false;
        try {
            boolean mapped = request.map(grants);
            complete = true;
            return mapped;
        } finally {
            if (!complete) {
                finish(request, BlockStatus.ERROR);
            }
        }
    }

    private void completed(BlockRequest request, int errno) {
        if (!late.begin(request, errno)) {
            return;
        }
        try {
            handle(request, errno);
        } finally {
            late.end();
        }
    }

    private void handle(BlockRequest request, int errno) {
        if (request.isAlone()) {
            completedAlone(request, errno);
            return;
        }
        boolean isEnd = errno == 0 || givenUp;
        BlockRequest next = request;
        while (next != null) {
            BlockRequest current = next;
            next = current.detach();
            if (isEnd) {
                completedAlone(current, errno);
            } else {
                // Each alone, so that the failure is that of its own request and of no other.
                current.submitAlone(disk.store());
            }
        }
    }

    private void completedAlone(BlockRequest request, int errno) {
        if (errno != 0 && errno != Errno.EOPNOTSUPP) {
            signals.failed(request.op(), errno);
        }
        if (errno != 0 || !request.submitNext(disk.store())) {
            finish(request, BlockStatus.of(errno, request.op()));
        }
    }

    /// Answers a request. Its pages are unmapped before the guest can see the answer, and re-use them.
    private void finish(BlockRequest request, BlockStatus status) {
        request.unmap(grants);
        metrics.ended(request, status);
        BlockRequest next = ring.answer(request, status);
        if (next != null) {
            carryOut(next);
        }
    }

    /// Takes no more requests, and waits for those in flight.
    ///
    /// @return whether all have ended, and are answered
    boolean drain(Duration limit) throws InterruptedException {
        handleLate();
        return ring.drain(limit);
    }

    /// Keeps requests that [#drain] has not seen end as they are, in flight: their ends have no effect until [#resume],
    /// or another [#drain].
    ///
    /// @return false if the end of one is still being handled after `limit`
    boolean park(Duration limit) throws InterruptedException {
        return late.keep(limit);
    }

    /// Whether requests are in flight.
    boolean isBusy() {
        return ring.isBusy();
    }

    /// Handles the ends that were kept.
    private void handleLate() {
        late.take().forEach(end -> completed(end.request(), end.errno()));
    }

    /// The state of its ring. It is drained or parked, and nobody calls [#run].
    RingState ring() {
        return ring.save();
    }

    /// The requests that are taken and not answered, in the order in which they were taken; as [#ring].
    List<BlockState.Request> requests() {
        return ring.requests();
    }

    /// Takes over requests that were in flight when the guest was saved, before the first [#run].
    void restore(List<BlockState.Request> requests) {
        ring.restore(requests);
    }

    /// Prepares for [DiskStore#giveUp] during a [#drain]: what fails now is not tried again.
    void giveUp() {
        givenUp = true;
    }

    /// Takes requests again after [#drain].
    void resume() {
        givenUp = false;
        ring.resume();
        handleLate();
        signals.wake();
    }

    /// Releases the queue's memory. It is drained, and nobody calls [#run] any more. Calling it twice is allowed.
    @Override
    public void close() {
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }
}
