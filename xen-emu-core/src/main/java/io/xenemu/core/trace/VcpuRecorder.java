package io.xenemu.core.trace;

import io.xenemu.core.hypercall.HypercallContext;
import io.xenemu.core.hypercall.HypercallObserver;
import io.xenemu.core.hypercall.HypercallOp;
import java.lang.foreign.MemorySegment;

/// Records the hypercalls of one vCPU, on its thread, into a ring. A call that does not fit is lost and counted.
final class VcpuRecorder implements HypercallObserver {
    /// The most calls at a time: a multicall, and one call of it. Xen has no multicall within a multicall.
    private static final int DEPTH = 2;

    private final TraceFilter filter;
    private final long start;
    private final CallRing ring;
    private final RecordBuilder[] builders = new RecordBuilder[DEPTH];

    /// The number of calls that have begun and not ended.
    private int depth;

    /// Calls that were lost: the vCPU's thread counts in `missed`, other threads read `lost`.
    private long missed;

    private volatile long lost;

    /// @param start the trace's, of [System#nanoTime]
    VcpuRecorder(TraceFilter filter, long start, CallRing ring) {
        this.filter = filter;
        this.start = start;
        this.ring = ring;
        for (int i = 0; i < DEPTH; i++) {
            builders[i] = new RecordBuilder();
        }
    }

    /// The ring with the recorded calls.
    CallRing ring() {
        return ring;
    }

    /// Calls that were lost so far.
    long lost() {
        return lost;
    }

    @Override
    public boolean begin(HypercallContext call, HypercallOp op) {
        if (depth == DEPTH || !filter.takes(op)) {
            return false;
        }
        int flags = depth > 0 ? RecordLayout.WITHIN : 0;
        builders[depth++].begin(call, flags, System.nanoTime() - start);
        return true;
    }

    @Override
    public void end(long result) {
        RecordBuilder builder = builders[--depth];
        int length = builder.end(result, System.nanoTime() - start, missed);
        if (!ring.offer(builder.bytes(), length)) {
            missed++;
            lost = missed;
        }
    }

    @Override
    public boolean isWithin() {
        return depth > 0;
    }

    @Override
    public void copiedIn(long linear, long physical, MemorySegment bytes, long offset, int length) {
        copied(AccessKind.IN, linear, physical, bytes, offset, length);
    }

    @Override
    public void copiedOut(
            long linear, long physical, MemorySegment bytes, long offset, int length) {
        copied(AccessKind.OUT, linear, physical, bytes, offset, length);
    }

    private void copied(
            AccessKind kind,
            long linear,
            long physical,
            MemorySegment bytes,
            long offset,
            int length) {
        for (int i = 0; i < depth; i++) {
            builders[i].access(kind, linear, physical, bytes, offset, length);
        }
    }

    @Override
    public void read(long linear, long physical, long value, int size) {
        number(AccessKind.IN, linear, physical, value, size);
    }

    @Override
    public void written(long linear, long physical, long value, int size) {
        number(AccessKind.OUT, linear, physical, value, size);
    }

    @Override
    public void translated(long linear, long physical, boolean write) {
        number(
                write ? AccessKind.LOOKED_UP_FOR_WRITES : AccessKind.LOOKED_UP,
                linear,
                physical,
                0,
                0);
    }

    private void number(AccessKind kind, long linear, long physical, long value, int size) {
        for (int i = 0; i < depth; i++) {
            builders[i].access(kind, linear, physical, value, size);
        }
    }
}
