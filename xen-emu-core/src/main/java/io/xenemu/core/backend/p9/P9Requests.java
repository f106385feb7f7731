package io.xenemu.core.backend.p9;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import com.google.common.primitives.Ints;
import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// The requests of one connection: those in the queues, those that workers carry out, and the Tflush that wait for
/// them. A request is taken only with room kept for its answer, so that a guest that reads no answers stops its own
/// queue alone, and no worker ever waits for a guest.
///
/// All of the guest's memory is touched under one lock, which is a leaf. Once [#drain] has succeeded, none is.
final class P9Requests implements AutoCloseable {
    /// What [#take] says when there is nothing to take.
    static final int NOTHING = 0;

    /// Tflush that wait; further ones stay in their queue.
    static final int FLUSHES_MAX = 128;

    private static final int FLUSH_BYTES = P9Reader.HEADER + Short.BYTES;

    private final P9Server server;
    private final P9Observer observer;
    private final List<P9Request> running;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment flushAnswer = arena.allocate(P9Reader.HEADER, Integer.BYTES);
    private final P9Writer writer = new P9Writer();

    @GuardedBy("this")
    private final List<P9Queue> queues = new ArrayList<>();

    @GuardedBy("this")
    private final List<Flush> flushes = new ArrayList<>();

    /// The queue to look at first, so that each has its turn.
    @GuardedBy("this")
    private int turn;

    @GuardedBy("this")
    private boolean stopped;

    @GuardedBy("this")
    private boolean closed;

    /// A Tflush that is not answered yet. It waits for the request of a tag, which may be in another queue still.
    private static final class Flush {
        private final P9Queue queue;
        private final int tag;
        private final int oldTag;

        /// Each queue's index of requests when it was taken.
        private final int[] until;

        Flush(P9Queue queue, int tag, int oldTag, int[] until) {
            this.queue = queue;
            this.tag = tag;
            this.oldTag = oldTag;
            this.until = until;
        }
    }

    /// @param running the requests of all workers
    P9Requests(P9Server server, P9Observer observer, List<P9Request> running) {
        this.server = server;
        this.observer = observer;
        this.running = List.copyOf(running);
    }

    /// Adds a queue, before the first request is taken.
    synchronized void add(P9Queue queue) {
        queues.add(queue);
    }

    /// Takes the next request of any queue into a worker's memory.
    ///
    /// @return [#NOTHING]; or the size of the request taken; or, negative, the memory that the worker needs first
    synchronized int take(P9Request into) {
        for (int i = 0; !stopped && i < queues.size(); i++) {
            P9Queue queue = queues.get((turn + i) % queues.size());
            int taken = take(into, queue);
            if (taken != NOTHING) {
                turn = (turn + i + 1) % queues.size();
                return taken;
            }
        }
        return NOTHING;
    }

    @GuardedBy("this")
    private int take(P9Request into, P9Queue queue) {
        int bytes = queue.next();
        // At most as many Tflush as may wait, and those are few.
        while (bytes > 0) {
            if (bytes > into.asked().byteSize()) {
                return -bytes;
            }
            queue.copy(into.asked(), bytes);
            int bound = server.answerBound(into.asked(), bytes);
            if (bound > into.answer().byteSize()) {
                return -bound;
            }
            if (!isFlush(into, bytes)) {
                if (!queue.take(bytes, bound)) {
                    return NOTHING;
                }
                into.queue = queue;
                into.tag = P9Server.tag(into.asked());
                into.bytes = bytes;
                into.bound = bound;
                return bytes;
            }
            if (flushes.size() == FLUSHES_MAX || !queue.take(bytes, P9Reader.HEADER)) {
                return NOTHING;
            }
            flush(queue, into.asked());
            bytes = queue.next();
        }
        return NOTHING;
    }

    private static boolean isFlush(P9Request request, int bytes) {
        int type = Byte.toUnsignedInt(request.asked().get(JAVA_BYTE, Integer.BYTES));
        return type == P9Operation.FLUSH.number() && bytes >= FLUSH_BYTES;
    }

    @GuardedBy("this")
    private void flush(P9Queue queue, MemorySegment asked) {
        int[] until = new int[queues.size()];
        for (int i = 0; i < until.length; i++) {
            P9Queue other = queues.get(i);
            // What is behind it on its own queue came later.
            until[i] = other == queue ? queue.taken() : other.produced();
        }
        int oldTag = Short.toUnsignedInt(asked.get(JAVA_SHORT_UNALIGNED, P9Reader.HEADER));
        flushes.add(new Flush(queue, P9Server.tag(asked), oldTag, until));
    }

    /// Whether the front end has sent or read something on a queue since the last call.
    ///
    /// @param queue in the order of [#add]
    synchronized boolean hasProgressed(int queue) {
        P9Queue asked = queues.get(queue);
        return !stopped && !asked.isBroken() && asked.hasProgressed();
    }

    /// Whether a request is there that a worker could take. Bounded work.
    synchronized boolean hasMore() {
        if (stopped) {
            return false;
        }
        for (P9Queue queue : queues) {
            boolean waits = flushes.size() == FLUSHES_MAX && queue.isNextFlush();
            if (queue.next() > 0 && queue.hasRoom(P9Server.SMALL_ANSWER) && !waits) {
                return true;
            }
        }
        return false;
    }

    /// Puts the answer of a worker's request on its queue.
    void answer(P9Request request, int bytes) {
        P9Queue queue = put(request, bytes);
        if (queue != null) {
            queue.notifyGuest();
        }
        answerFlushes();
    }

    private synchronized @Nullable P9Queue put(P9Request request, int bytes) {
        P9Queue queue = request.queue;
        request.queue = null;
        notifyAll();
        if (queue == null || closed) {
            return null;
        }
        queue.answer(request.answer(), bytes, request.bound);
        return queue;
    }

    /// Gives up a worker's request without an answer, because the service has failed.
    void drop(P9Request request) {
        P9Queue _ = put(request, 0);
    }

    /// Answers each Tflush whose request has been answered, or was not there.
    void answerFlushes() {
        P9Queue answered = answerFlush();
        while (answered != null) {
            observer.ended(P9Operation.FLUSH, 0, FLUSH_BYTES, P9Reader.HEADER);
            answered.notifyGuest();
            answered = answerFlush();
        }
    }

    private synchronized @Nullable P9Queue answerFlush() {
        if (stopped) {
            return null;
        }
        for (Flush flush : flushes) {
            if (isAlone(flush) && !isFlushed(flush)) {
                return answer(flush);
            }
        }
        if (busy() == 0) {
            // Only those that flush each other in a circle are left to wait for each other.
            for (Flush flush : flushes) {
                if (isAlone(flush)) {
                    return answer(flush);
                }
            }
        }
        return null;
    }

    @GuardedBy("this")
    private P9Queue answer(Flush flush) {
        flushes.remove(flush);
        writer.start(flushAnswer);
        int bytes = writer.end(P9Operation.FLUSH.answer(), flush.tag);
        flush.queue.answer(flushAnswer, bytes, P9Reader.HEADER);
        return flush.queue;
    }

    /// Whether the request that it flushes has been answered, or was not there.
    @GuardedBy("this")
    private boolean isAlone(Flush flush) {
        for (int i = 0; i < flush.until.length; i++) {
            P9Queue queue = queues.get(i);
            // A queue that itself waits until fewer Tflush wait is not waited for.
            boolean full = flushes.size() == FLUSHES_MAX && queue.isNextFlush();
            if (!full && !queue.hasTaken(flush.until[i])) {
                return false;
            }
        }
        for (P9Request request : running) {
            if (request.queue != null && request.tag == flush.oldTag) {
                return false;
            }
        }
        return true;
    }

    /// Whether it flushes another Tflush that waits.
    @GuardedBy("this")
    private boolean isFlushed(Flush flush) {
        for (Flush other : flushes) {
            if (!other.equals(flush) && other.tag == flush.oldTag) {
                return true;
            }
        }
        return false;
    }

    /// Requests that workers carry out now, and Tflush that wait.
    synchronized int inFlight() {
        return busy() + flushes.size();
    }

    @GuardedBy("this")
    private int busy() {
        int busy = 0;
        for (P9Request request : running) {
            busy += request.queue == null ? 0 : 1;
        }
        return busy;
    }

    /// Queues that the front end has broken.
    synchronized int broken() {
        int broken = 0;
        for (P9Queue queue : queues) {
            broken += queue.isBroken() ? 1 : 0;
        }
        return broken;
    }

    /// Takes no more requests, and waits for those that run.
    ///
    /// @return false if some still run after `limit`
    synchronized boolean drain(Duration limit) throws InterruptedException {
        stopped = true;
        long deadline = System.nanoTime() + limit.toNanos();
        long left = limit.toNanos();
        while (busy() > 0 && left > 0) {
            TimeUnit.NANOSECONDS.timedWait(this, left);
            left = deadline - System.nanoTime();
        }
        return busy() == 0;
    }

    /// The Tflush that wait. It is drained.
    synchronized List<P9State.Flush> save() {
        List<P9State.Flush> saved = new ArrayList<>();
        for (Flush flush : flushes) {
            saved.add(
                    new P9State.Flush(
                            queues.indexOf(flush.queue),
                            flush.tag,
                            flush.oldTag,
                            Ints.asList(flush.until)));
        }
        return saved;
    }

    /// Takes over the Tflush of a restored guest, and stands still until [#resume]. All queues are there.
    synchronized void restore(List<P9State.Flush> saved) {
        stopped = true;
        for (P9State.Flush flush : saved) {
            flushes.add(
                    new Flush(
                            queues.get(flush.ring()),
                            flush.tag(),
                            flush.oldTag(),
                            Ints.toArray(flush.until())));
        }
    }

    /// Takes requests again.
    synchronized void resume() {
        stopped = false;
    }

    /// Drops what waits. No worker runs; twice is allowed.
    @Override
    public synchronized void close() {
        stopped = true;
        if (!closed) {
            closed = true;
            flushes.clear();
            arena.close();
        }
    }
}
