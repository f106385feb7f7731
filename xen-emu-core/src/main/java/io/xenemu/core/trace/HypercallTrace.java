package io.xenemu.core.trace;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// A trace of one domain's hypercalls that is being taken: a ring for each vCPU, one for events, and the one reader
/// that empties them. No vCPU waits for the reader: records that it does not take in time are lost, and the trace says
/// how many.
public final class HypercallTrace implements AutoCloseable {
    /// The most bytes of all rings of one trace, unless a domain has so many vCPUs that the smallest rings take more.
    static final int MAX_BYTES = 4 << 20;

    /// Bytes of a ring in a domain with few vCPUs, and in one with many.
    private static final int MAX_RING = 1 << 20;

    private static final int MIN_RING = 64 << 10;

    /// Bytes of the ring for events. In 10 ms it takes 2500 of them, more than the exits of a busy guest.
    private static final int EVENT_RING = 256 << 10;

    /// Milliseconds between two looks at the rings. In this time a vCPU of the fastest guest fills a ring ten times
    /// over at most.
    private static final long POLL_MILLIS = 10;

    private final TraceHeader header;
    private final TraceBeginning beginning;
    private final TraceFilter filter;
    private final Consumer<HypercallTrace> stop;
    private final long start = System.nanoTime();
    private final int ringBytes;
    private final List<CallRing> rings = new CopyOnWriteArrayList<>();
    private final List<VcpuRecorder> recorders = new CopyOnWriteArrayList<>();
    private final EventRecorder events;
    private volatile boolean isEnded;

    /// @param stop ends the recording
    HypercallTrace(
            TraceHeader header,
            TraceBeginning beginning,
            TraceFilter filter,
            Consumer<HypercallTrace> stop) {
        this.header = header;
        this.beginning = beginning;
        this.filter = filter;
        this.stop = stop;
        int share = Integer.highestOneBit(MAX_BYTES / header.config().vcpus());
        ringBytes = Math.clamp(share, MIN_RING, MAX_RING);
        events = new EventRecorder(filter, start, new CallRing(EVENT_RING));
        rings.add(events.ring());
    }

    /// Records the events that are no hypercalls.
    EventRecorder events() {
        return events;
    }

    /// Whether hypercalls are recorded.
    boolean takesCalls() {
        return filter.takesCalls();
    }

    /// A recorder for one more vCPU.
    VcpuRecorder newRecorder() {
        CallRing ring = new CallRing(ringBytes);
        VcpuRecorder recorder = new VcpuRecorder(filter, start, ring);
        rings.add(ring);
        recorders.add(recorder);
        return recorder;
    }

    /// Notes that the domain has ended.
    void setEnded() {
        isEnded = true;
    }

    /// Writes the trace until the domain ends, [#close] is called, or the thread is interrupted.
    ///
    /// Records are in the order of their ends. The order may differ if a vCPU's thread is held up for longer
    /// than [#POLL_MILLIS] between a call's end and its record.
    ///
    /// @param target takes blocks of bytes, and writes all of each
    /// @throws IOException if the target fails
    public void writeTo(Target target) throws IOException {
        TraceWriter writer = new TraceWriter(target, header, beginning.state().frames());
        long limit = 0;
        while (!isEnded && sleep()) {
            // A call that ended before the last look is in its ring by now.
            long now = System.nanoTime() - start;
            drain(writer, limit);
            writer.flush();
            limit = now;
        }
        drain(writer, Long.MAX_VALUE);
        writer.end(lost(), isEnded ? "the domain has ended, or the trace was stopped" : "stopped");
    }

    /// Takes the bytes of a trace.
    public interface Target {
        /// Writes all bytes of a buffer.
        void write(ByteBuffer bytes) throws IOException;
    }

    private static boolean sleep() {
        try {
            Thread.sleep(POLL_MILLIS);
            return true;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    /// Writes all records that ended by `limit`, in order. It writes no more bytes than the rings hold: otherwise a
    /// guest that calls faster than the reader writes would keep it here.
    private void drain(TraceWriter writer, long limit) throws IOException {
        long left = EVENT_RING + (long) ringBytes * rings.size();
        CallRing next = earliest(limit);
        while (next != null && left > 0) {
            left -= next.peek(0) & 0xffff_ffffL;
            writer.record(next);
            next = earliest(limit);
        }
    }

    private @Nullable CallRing earliest(long limit) {
        CallRing earliest = null;
        long end = limit;
        for (CallRing ring : rings) {
            if (ring.hasNext() && ring.peek(RecordLayout.END) <= end) {
                earliest = ring;
                end = ring.peek(RecordLayout.END);
            }
        }
        return earliest;
    }

    private long lost() {
        return events.lost() + recorders.stream().mapToLong(VcpuRecorder::lost).sum();
    }

    /// Stops the recording. Idempotent.
    @Override
    public void close() {
        stop.accept(this);
    }
}
