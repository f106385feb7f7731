package io.xenemu.core.backend.block;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.backend.ring.RingState;
import io.xenemu.core.backend.ring.SharedRing;
import io.xenemu.gnttab.BackendMappings;
import io.xenemu.kvm.abi.Errno;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// One queue of a disk: takes requests from its ring, has them checked and carried out by the store, and answers. A
/// request that is wrong, or whose pages cannot be mapped, gets an error; nothing else is harmed by it.
///
/// [#run] is called by one thread at a time. Completions of the store may come on other threads. The monitor of `lock`
/// guards the ring and the requests; it is a leaf. Requests are used again: nothing allocates after the queue has had
/// as many in flight as it will have.
final class BlockQueue implements AutoCloseable {
    /// The most requests in flight of a store that completes later. With a larger ring the others wait in it.
    static final int MAX_IN_FLIGHT = 64;

    /// Answers are shown to the guest together, until their data is so many bytes.
    static final int PUBLISHED_TOGETHER = 256 * 1024;

    /// A run of a store that completes at once ends after so long, or so many bytes: other guests' queues wait for the
    /// same engine. One request more may follow, which for a flush is as long as the host's.
    private static final long TURN_NANOS = TimeUnit.MILLISECONDS.toNanos(1);

    private static final long TURN_BYTES = 4 << 20;

    private final SlotReader reader;
    private final BlockDisk disk;
    private final DiskThrottle throttle;
    private final BackendMappings grants;
    private final BlockMetrics metrics;
    private final LongSupplier clock;
    private final QueueSignals signals;
    private final Arena arena = Arena.ofShared();
    private final Object lock = new Object();

    @GuardedBy("lock")
    private final SharedRing ring;

    @GuardedBy("lock")
    private final RequestPool pool = new RequestPool(arena, this::completed);

    /// Requests that the ring's last look saw and that are not taken.
    @GuardedBy("lock")
    private int seen;

    @GuardedBy("lock")
    private int inFlight;

    @GuardedBy("lock")
    private boolean stopped;

    /// Whether the store is about to end what is in flight.
    @GuardedBy("lock")
    private boolean givenUp;

    @GuardedBy("lock")
    private boolean toldBroken;

    /// Whether requests wait in the ring until one in flight ends.
    @GuardedBy("lock")
    private boolean stalled;

    /// Whether requests wait in the ring until the disk's limits let them in, and when the wake-up for that is due.
    @GuardedBy("lock")
    private boolean throttled;

    @GuardedBy("lock")
    private long wakeDue = System.nanoTime();

    @GuardedBy("lock")
    private final PendingBarrier barrier = new PendingBarrier();

    @GuardedBy("lock")
    private final LateEnds late = new LateEnds();

    /// The requests of a restored guest that were in flight when it was saved, before they are begun again.
    @GuardedBy("lock")
    private final ArrayDeque<BlockRequest> again = new ArrayDeque<>();

    /// The thread in [#run], which shows answers at its end.
    @GuardedBy("lock")
    private @Nullable Thread runner;

    @GuardedBy("lock")
    private long unpublishedBytes;

    /// The data of the run in progress, which alone uses it.
    private long turnBytes;

    /// The neighbours that the run in progress, which alone uses it, has not submitted yet.
    private final JoinedRequests joined = new JoinedRequests();

    BlockQueue(SharedRing ring, BlockAbi abi, QueueSurroundings around, QueueSignals signals) {
        this.ring = ring;
        this.reader = new SlotReader(abi, around.disk(), around.grants(), arena);
        this.disk = around.disk();
        this.throttle = around.throttle();
        this.grants = around.grants();
        this.metrics = around.metrics();
        this.clock = around.clock();
        this.signals = signals;
    }

    /// Serves requests for a turn, at most a ring full, and asks for an event at the next one. Wakes itself for what
    /// the turn leaves.
    ///
    /// @return whether there was anything to do
    boolean run() {
        synchronized (lock) {
            runner = Thread.currentThread();
        }
        int taken = 0;
        turnBytes = 0;
        try {
            int limit = size();
            long begun = clock.getAsLong();
            while (taken < limit && !isTurnOver(begun) && serveOne()) {
                taken++;
            }
        } finally {
            submitJoined();
            endRun();
        }
        return taken > 0;
    }

    private boolean isTurnOver(long begun) {
        return turnBytes >= TURN_BYTES || clock.getAsLong() - begun >= TURN_NANOS;
    }

    private int size() {
        synchronized (lock) {
            return ring.size();
        }
    }

    private boolean serveOne() {
        BlockRequest request;
        MemorySegment slot = null;
        synchronized (lock) {
            if (!canTake()) {
                return false;
            }
            request = again.poll();
            if (request == null) {
                slot = ring.take();
                seen--;
                request = pool.take(reader.segments(slot));
            }
            // Not before: what throws until here is not in flight, or no end would come.
            inFlight++;
        }
        metrics.begun();
        BlockStatus status = admit(request, slot);
        if (status != BlockStatus.OKAY) {
            finish(request, status);
        } else if (request.op().isPlain() && disk.store().isFasterJoined()) {
            join(request);
        } else {
            submitJoined();
            if (!isHeldBack(request)) {
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

    @GuardedBy("lock")
    private boolean canTake() {
        if (stopped) {
            return false;
        }
        if (seen == 0) {
            seen = ring.look();
        }
        if (seen == 0 && again.isEmpty()) {
            return false;
        }
        stalled = barrier.isPresent() || inFlight == MAX_IN_FLIGHT;
        throttled = !stalled && throttle.isLimited() && throttle.pause(System.nanoTime()) > 0;
        return !stalled && !throttled;
    }

    /// Keeps a barrier back while earlier requests are in flight.
    private boolean isHeldBack(BlockRequest request) {
        if (request.op() != BlockOp.WRITE_BARRIER) {
            return false;
        }
        synchronized (lock) {
            return barrier.begin(request, inFlight);
        }
    }

    private void carryOut(BlockRequest request) {
        if (!map(request)) {
            finish(request, BlockStatus.ERROR);
        } else if (request.op() == BlockOp.DISCARD && request.bytes() == 0) {
            finish(request, BlockStatus.OKAY);
        } else {
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
        synchronized (lock) {
            if (!late.begin(request, errno)) {
                return;
            }
        }
        try {
            handle(request, errno);
        } finally {
            synchronized (lock) {
                if (late.end()) {
                    lock.notifyAll();
                }
            }
        }
    }

    private void handle(BlockRequest request, int errno) {
        if (request.isAlone()) {
            completedAlone(request, errno);
            return;
        }
        boolean isEnd = errno == 0 || isGivenUp();
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

    private boolean isGivenUp() {
        synchronized (lock) {
            return givenUp;
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
        boolean notify = false;
        boolean wake;
        BlockRequest next;
        synchronized (lock) {
            request.answer(ring.blankAnswer(), status);
            ring.answer();
            inFlight--;
            pool.give(request);
            unpublishedBytes += status == BlockStatus.OKAY ? request.bytes() : 0;
            if (!Thread.currentThread().equals(runner) || unpublishedBytes >= PUBLISHED_TOGETHER) {
                notify = publish();
            }
            next = barrier.ended(request, inFlight);
            wake = stalled;
            stalled = false;
            if (inFlight == 0) {
                lock.notifyAll();
            }
        }
        if (notify) {
            signals.notifyGuest();
        }
        if (next != null) {
            carryOut(next);
        } else if (wake) {
            signals.wake();
        }
    }

    @GuardedBy("lock")
    private boolean publish() {
        unpublishedBytes = 0;
        return ring.publish();
    }

    private void endRun() {
        boolean notify;
        boolean more;
        boolean tellBroken;
        long pause;
        synchronized (lock) {
            runner = null;
            notify = publish();
            boolean waits = stopped || stalled || throttled;
            if (!waits) {
                seen = ring.lookBeforeSleep();
            }
            more = (seen > 0 || !again.isEmpty()) && !waits;
            pause = throttled && !stopped ? newPause(System.nanoTime()) : 0;
            throttled = false;
            tellBroken = ring.isBroken() && !toldBroken;
            toldBroken |= tellBroken;
        }
        if (notify) {
            signals.notifyGuest();
        }
        if (more) {
            signals.wake();
        }
        if (pause > 0) {
            signals.wakeAfter(pause);
        }
        if (tellBroken) {
            signals.broken();
        }
    }

    /// The time after which to be woken; 0 if a wake-up is due already, or now.
    @GuardedBy("lock")
    private long newPause(long now) {
        if (wakeDue - now > 0) {
            return 0;
        }
        long pause = Math.max(1, throttle.pause(now));
        wakeDue = now + pause;
        return pause;
    }

    /// Takes no more requests, and waits for those in flight.
    ///
    /// @return whether all have ended, and are answered
    boolean drain(Duration limit) throws InterruptedException {
        handleLate();
        long deadline = System.nanoTime() + limit.toNanos();
        boolean notify;
        synchronized (lock) {
            stopped = true;
            while (inFlight > 0) {
                long left = millisUntil(deadline);
                if (left == 0) {
                    return false;
                }
                lock.wait(left);
            }
            notify = publish();
        }
        if (notify) {
            signals.notifyGuest();
        }
        return true;
    }

    /// @return 0 only at the deadline
    private static long millisUntil(long deadline) {
        long left = deadline - System.nanoTime();
        return left <= 0 ? 0 : TimeUnit.NANOSECONDS.toMillis(left) + 1;
    }

    /// Keeps requests that [#drain] has not seen end as they are, in flight: their ends have no effect until [#resume],
    /// or another [#drain].
    ///
    /// @return false if the end of one is still being handled after `limit`
    boolean park(Duration limit) throws InterruptedException {
        long deadline = System.nanoTime() + limit.toNanos();
        synchronized (lock) {
            late.keep();
            while (!late.isQuiet()) {
                long left = millisUntil(deadline);
                if (left == 0) {
                    return false;
                }
                lock.wait(left);
            }
            return true;
        }
    }

    /// Whether requests are in flight.
    boolean isBusy() {
        synchronized (lock) {
            return inFlight > 0;
        }
    }

    /// Handles the ends that were kept.
    private void handleLate() {
        List<LateEnds.End> ends;
        synchronized (lock) {
            ends = late.take();
        }
        ends.forEach(end -> completed(end.request(), end.errno()));
    }

    /// The state of its ring. It is drained or parked, and nobody calls [#run].
    RingState ring() {
        synchronized (lock) {
            return ring.save();
        }
    }

    /// The requests that are taken and not answered, in the order in which they were taken; as [#ring].
    List<BlockState.Request> requests() {
        synchronized (lock) {
            return pool.inUse().stream().map(BlockRequest::save).toList();
        }
    }

    /// Takes over requests that were in flight when the guest was saved, before the first [#run].
    void restore(List<BlockState.Request> requests) {
        synchronized (lock) {
            for (BlockState.Request saved : requests) {
                BlockRequest request = pool.take(saved.segments().size());
                request.restore(saved);
                again.add(request);
            }
        }
    }

    /// Prepares for [DiskStore#giveUp] during a [#drain]: what fails now is not tried again.
    void giveUp() {
        synchronized (lock) {
            givenUp = true;
        }
    }

    /// Takes requests again after [#drain].
    void resume() {
        synchronized (lock) {
            stopped = false;
            givenUp = false;
        }
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
