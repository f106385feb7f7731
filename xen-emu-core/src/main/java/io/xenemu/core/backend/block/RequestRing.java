package io.xenemu.core.backend.block;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.backend.ring.RingState;
import io.xenemu.core.backend.ring.SharedRing;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// The ring of a disk's queue, and the requests that were taken from it and are not answered. It decides when the next
/// one may be taken, and whom an answer wakes.
///
/// One thread at a time takes requests, from [#beginRun] to [#endRun]. Any thread answers. The monitor is a leaf;
/// signals are sent without it. Requests are used again: nothing allocates after the queue has had as many in flight as
/// it will have.
final class RequestRing {
    /// The most requests in flight of a store that completes later. With a larger ring the others wait in it.
    static final int MAX_IN_FLIGHT = 64;

    /// Answers are shown to the guest together, until their data is so many bytes.
    static final int PUBLISHED_TOGETHER = 256 * 1024;

    private final SlotReader reader;
    private final DiskThrottle throttle;
    private final QueueSignals signals;

    @GuardedBy("this")
    private final SharedRing ring;

    @GuardedBy("this")
    private final RequestPool pool;

    /// Requests that the ring's last look saw and that are not taken.
    @GuardedBy("this")
    private int seen;

    @GuardedBy("this")
    private int inFlight;

    @GuardedBy("this")
    private boolean stopped;

    @GuardedBy("this")
    private boolean toldBroken;

    /// Whether requests wait in the ring until one in flight ends.
    @GuardedBy("this")
    private boolean stalled;

    /// Whether requests wait in the ring until the disk's limits let them in, and when the wake-up for that is due.
    @GuardedBy("this")
    private boolean throttled;

    @GuardedBy("this")
    private long wakeDue = System.nanoTime();

    @GuardedBy("this")
    private final PendingBarrier barrier = new PendingBarrier();

    /// The requests of a restored guest that were in flight when it was saved, before they are begun again.
    @GuardedBy("this")
    private final ArrayDeque<BlockRequest> again = new ArrayDeque<>();

    /// The thread in a run, which shows answers at its end.
    @GuardedBy("this")
    private @Nullable Thread runner;

    @GuardedBy("this")
    private long unpublishedBytes;

    /// The private copy of the slot of the request that was taken last, or null. For the run in progress.
    private @Nullable MemorySegment slot;

    RequestRing(
            SharedRing ring,
            RequestPool pool,
            SlotReader reader,
            DiskThrottle throttle,
            QueueSignals signals) {
        this.ring = ring;
        this.pool = pool;
        this.reader = reader;
        this.throttle = throttle;
        this.signals = signals;
    }

    /// Begins a run on this thread.
    ///
    /// @return the number of slots, the most requests of a run
    synchronized int beginRun() {
        runner = Thread.currentThread();
        return ring.size();
    }

    /// Takes a request, which is in flight from now on.
    ///
    /// @return null if there is none, or it has to wait
    synchronized @Nullable BlockRequest take() {
        if (!canTake()) {
            return null;
        }
        BlockRequest request = again.poll();
        slot = null;
        if (request == null) {
            MemorySegment copy = ring.take();
            seen--;
            request = pool.take(reader.segments(copy));
            slot = copy;
        }
        // Not before: what throws until here is not in flight, or no end would come.
        inFlight++;
        return request;
    }

    /// The private copy of the slot of the request that was taken last; null for one that was taken over.
    @Nullable MemorySegment slot() {
        return slot;
    }

    @GuardedBy("this")
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

    /// Keeps a barrier back while earlier requests are in flight; those after it wait in the ring.
    ///
    /// @return false if it can be carried out at once
    synchronized boolean holdBack(BlockRequest request) {
        return barrier.begin(request, inFlight);
    }

    /// Answers a request, whose pages are unmapped: when the guest sees the answer, it uses them again.
    ///
    /// @return the barrier that can be carried out now, or null
    @Nullable BlockRequest answer(BlockRequest request, BlockStatus status) {
        boolean notify = false;
        boolean wake;
        BlockRequest next;
        synchronized (this) {
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
                notifyAll();
            }
        }
        if (notify) {
            signals.notifyGuest();
        }
        if (next == null && wake) {
            signals.wake();
        }
        return next;
    }

    @GuardedBy("this")
    private boolean publish() {
        unpublishedBytes = 0;
        return ring.publish();
    }

    /// Ends a run: shows the answers, asks for an event at the next request, and sees to what the run leaves.
    void endRun() {
        boolean notify;
        boolean more;
        boolean tellBroken;
        long pause;
        synchronized (this) {
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
    @GuardedBy("this")
    private long newPause(long now) {
        if (wakeDue - now > 0) {
            return 0;
        }
        long pause = Math.max(1, throttle.pause(now));
        wakeDue = now + pause;
        return pause;
    }

    /// Lets no more requests be taken, and waits for those in flight.
    ///
    /// @return whether all have ended, and are answered
    boolean drain(Duration limit) throws InterruptedException {
        long deadline = System.nanoTime() + limit.toNanos();
        boolean notify;
        synchronized (this) {
            stopped = true;
            while (inFlight > 0) {
                long left = deadline - System.nanoTime();
                if (left <= 0) {
                    return false;
                }
                TimeUnit.NANOSECONDS.timedWait(this, left);
            }
            notify = publish();
        }
        if (notify) {
            signals.notifyGuest();
        }
        return true;
    }

    /// Lets requests be taken again after [#drain].
    synchronized void resume() {
        stopped = false;
    }

    /// Whether requests are in flight.
    synchronized boolean isBusy() {
        return inFlight > 0;
    }

    /// The ring's state. No run is in progress, and nothing is answered meanwhile.
    synchronized RingState save() {
        return ring.save();
    }

    /// The requests that are taken and not answered, in the order in which they were taken; as [#save].
    synchronized List<BlockState.Request> requests() {
        return pool.inUse().stream().map(BlockRequest::save).toList();
    }

    /// Takes over requests that were in flight when the guest was saved, before the first run.
    synchronized void restore(List<BlockState.Request> requests) {
        for (BlockState.Request saved : requests) {
            BlockRequest request = pool.take(saved.segments().size());
            request.restore(saved);
            again.add(request);
        }
    }
}
