package io.xenemu.core.hypercall;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.function.ObjIntConsumer;

/// Counts and time of one vCPU's hypercalls, by row of the table and result. Written by the vCPU's thread alone without
/// lock or allocation; read by whoever scrapes metrics.
public final class HypercallCounters {
    /// Results are kept by errno number; 0 is success. The largest of Xen's numbers that is returned is EOPNOTSUPP (95).
    static final int RESULTS = 96;

    private static final VarHandle CELL = MethodHandles.arrayElementVarHandle(long[].class);

    private final long[] counts;
    private final long[] nanos;
    private final ObjIntConsumer<HypercallOp> firstSeen;

    /// @param rows number of rows in the table
    /// @param firstSeen called once for each (row, errno number) that occurs, on the vCPU's thread
    public HypercallCounters(int rows, ObjIntConsumer<HypercallOp> firstSeen) {
        counts = new long[rows * RESULTS];
        nanos = new long[rows * RESULTS];
        this.firstSeen = firstSeen;
    }

    /// Adds one hypercall that ended with `errno` (0 or a positive [XenError#number]) after `elapsed` nanoseconds.
    void record(HypercallOp op, int errno, long elapsed) {
        int cell = op.index() * RESULTS + errno;
        long count = counts[cell];
        CELL.setOpaque(counts, cell, count + 1);
        CELL.setOpaque(nanos, cell, nanos[cell] + elapsed);
        if (count == 0) {
            firstSeen.accept(op, errno);
        }
    }

    /// How many hypercalls of this row ended with `errno`.
    public long count(HypercallOp op, int errno) {
        return (long) CELL.getOpaque(counts, op.index() * RESULTS + errno);
    }

    /// Nanoseconds that they took in this process, together.
    public long nanos(HypercallOp op, int errno) {
        return (long) CELL.getOpaque(nanos, op.index() * RESULTS + errno);
    }
}
