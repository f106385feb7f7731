package io.xenemu.core.hypercall;

import io.xenemu.kvm.abi.XenError;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Arrays;
import java.util.function.ObjIntConsumer;

/// Counts and times of one vCPU's hypercalls, by row of the table and result. Only the vCPU's thread writes them,
/// without lock or allocation; any thread may read them for metrics.
///
/// Every call is counted. Timed are the first [#TIMED_FIRST] calls of a row, and one in [#TIMED_EVERY] of the later
/// ones: reading the clock twice costs more than most handlers.
public final class HypercallCounters {
    /// The number of distinct results: success, and each of Xen's errors. A cell per errno number would be four times
    /// as many, for each row and vCPU.
    private static final int RESULTS = 1 + XenError.ALL.size();

    /// The cells of a row: the calls that have begun, and then one for each result. They are side by side, since each
    /// call changes two.
    private static final int CELLS = 1 + RESULTS;

    private static final int BEGUN = 0;
    private static final int SUCCESS = 1;

    /// The cell of an errno in its row; [#SUCCESS] for numbers that are no error of Xen's.
    private static final byte[] RESULT_OF = new byte[1 + XenError.ALL.getLast().number()];

    static {
        Arrays.fill(RESULT_OF, (byte) SUCCESS);
        for (byte i = 0; i < XenError.ALL.size(); i++) {
            RESULT_OF[XenError.ALL.get(i).number()] = (byte) (SUCCESS + 1 + i);
        }
    }

    /// The first calls of a row are all timed, so that rare calls are timed at all.
    static final int TIMED_FIRST = 64;

    /// One in this many of a row's later calls is timed; a power of two.
    static final int TIMED_EVERY = 64;

    /// The result of [#begin] for a call that is not timed.
    private static final long UNTIMED = Long.MIN_VALUE;

    private static final VarHandle CELL = MethodHandles.arrayElementVarHandle(long[].class);

    private final long[] counts;
    private final long[] timed;
    private final long[] nanos;
    private final ObjIntConsumer<HypercallOp> firstSeen;

    /// @param rows number of rows in the table
    /// @param firstSeen called once for each (row, errno number) that occurs, on the vCPU's thread
    public HypercallCounters(int rows, ObjIntConsumer<HypercallOp> firstSeen) {
        counts = new long[rows * CELLS];
        timed = new long[rows * CELLS];
        nanos = new long[rows * CELLS];
        this.firstSeen = firstSeen;
    }

    /// Counts the beginning of a hypercall.
    ///
    /// @return the argument for [#end]
    long begin(HypercallOp op) {
        long before = counts[op.index() * CELLS + BEGUN]++;
        boolean isTimed = before < TIMED_FIRST || (before & (TIMED_EVERY - 1)) == 0;
        return isTimed ? System.nanoTime() : UNTIMED;
    }

    /// Counts the end of the hypercall of `begin`, with `errno` (0 or a positive [XenError#number]).
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

    /// The number of hypercalls of this row that ended with `errno`.
    public long count(HypercallOp op, int errno) {
        return (long) CELL.getOpaque(counts, cell(op, errno));
    }

    /// The number of them that were timed.
    public long timed(HypercallOp op, int errno) {
        return (long) CELL.getOpaque(timed, cell(op, errno));
    }

    /// The total nanoseconds of the timed ones in user space.
    public long nanos(HypercallOp op, int errno) {
        return (long) CELL.getOpaque(nanos, cell(op, errno));
    }

    /// Success is by far the most frequent result; it does without the look into the array.
    private static int cell(HypercallOp op, int errno) {
        return op.index() * CELLS + (errno == 0 ? SUCCESS : RESULT_OF[errno]);
    }
}
