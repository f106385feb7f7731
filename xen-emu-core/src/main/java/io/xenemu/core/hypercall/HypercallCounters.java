package io.xenemu.core.hypercall;

import io.xenemu.kvm.abi.XenError;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.function.ObjIntConsumer;

/// Counts and time of one vCPU's hypercalls, by row of the table and result. Written by the vCPU's thread alone without
/// lock or allocation; read by whoever scrapes metrics.
///
/// Every call is counted. Its time is taken for the first [#TIMED_FIRST] of a row and for one in [#TIMED_EVERY] after them:
/// two looks at the clock cost more than most handlers.
public final class HypercallCounters {
    /// Results that are told apart: success, and each of Xen's errors. A cell per errno number would be four times as many,
    /// for each row and vCPU.
    private static final int RESULTS = 1 + XenError.ALL.size();

    /// The place of an errno among the results; 0, which is success, for numbers that are no error of Xen's.
    private static final byte[] RESULT_OF = new byte[1 + XenError.ALL.getLast().number()];

    static {
        for (byte i = 1; i < RESULTS; i++) {
            RESULT_OF[XenError.ALL.get(i - 1).number()] = i;
        }
    }

    /// How many calls of a row are all timed, so that rare ones are timed at all.
    static final int TIMED_FIRST = 64;

    /// Of the later calls of a row, one in so many is timed; a power of two.
    static final int TIMED_EVERY = 64;

    /// What [#begin] returns for a call that is not timed.
    private static final long UNTIMED = Long.MIN_VALUE;

    private static final VarHandle CELL = MethodHandles.arrayElementVarHandle(long[].class);

    private final long[] calls;
    private final long[] counts;
    private final long[] timed;
    private final long[] nanos;
    private final ObjIntConsumer<HypercallOp> firstSeen;

    /// @param rows number of rows in the table
    /// @param firstSeen called once for each (row, errno number) that occurs, on the vCPU's thread
    public HypercallCounters(int rows, ObjIntConsumer<HypercallOp> firstSeen) {
        calls = new long[rows];
        counts = new long[rows * RESULTS];
        timed = new long[rows * RESULTS];
        nanos = new long[rows * RESULTS];
        this.firstSeen = firstSeen;
    }

    /// A hypercall begins.
    ///
    /// @return what [#end] is to be given
    long begin(HypercallOp op) {
        long before = calls[op.index()]++;
        boolean isTimed = before < TIMED_FIRST || (before & (TIMED_EVERY - 1)) == 0;
        return isTimed ? System.nanoTime() : UNTIMED;
    }

    /// The hypercall that `begin` stands for ended with `errno` (0 or a positive [XenError#number]).
    void end(HypercallOp op, int errno, long begin) {
        int cell = cell(op, errno);
        long count = counts[cell];
        CELL.setOpaque(counts, cell, count + 1);
        if (begin != UNTIMED) {
            CELL.setOpaque(timed, cell, timed[cell] + 1);
            CELL.setOpaque(nanos, cell, nanos[cell] + System.nanoTime() - begin);
        }
        if (count == 0) {
            firstSeen.accept(op, errno);
        }
    }

    /// How many hypercalls of this row ended with `errno`.
    public long count(HypercallOp op, int errno) {
        return (long) CELL.getOpaque(counts, cell(op, errno));
    }

    /// How many of them were timed.
    public long timed(HypercallOp op, int errno) {
        return (long) CELL.getOpaque(timed, cell(op, errno));
    }

    /// Nanoseconds that the timed ones took in this process, together.
    public long nanos(HypercallOp op, int errno) {
        return (long) CELL.getOpaque(nanos, cell(op, errno));
    }

    private static int cell(HypercallOp op, int errno) {
        return op.index() * RESULTS + RESULT_OF[errno];
    }
}
