package io.xenemu.core.hypercall;

import io.xenemu.kvm.abi.XenError;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Arrays;
import java.util.Objects;
import java.util.function.ObjIntConsumer;
import org.jspecify.annotations.Nullable;

/// Counts and times of one vCPU's hypercalls, by row of the table and result. Only the vCPU's thread writes them,
/// without lock or allocation; any thread may read them for metrics.
///
/// Every call is counted. The first [#TIMED_FIRST] calls of a row are timed, and one in [#TIMED_EVERY] of the later
/// ones. Timing all would be too slow: reading the clock twice costs more than most handlers.
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

    /// The cells of calls that were timed follow those of the counts, and then their nanoseconds.
    private static final int TIMED = CELLS;

    private static final int NANOS = 2 * CELLS;

    private static final VarHandle ROW = MethodHandles.arrayElementVarHandle(long[][].class);

    /// The numbers of each row, made with its first call: a guest makes calls of few rows.
    private final long[] @Nullable [] rows;

    private final ObjIntConsumer<HypercallOp> firstSeen;

    /// @param rows number of rows in the table
    /// @param firstSeen called once for each (row, errno number) that occurs, on the vCPU's thread
    public HypercallCounters(int rows, ObjIntConsumer<HypercallOp> firstSeen) {
        this.rows = new long[rows][];
        this.firstSeen = firstSeen;
    }

    /// Counts the beginning of a hypercall.
    ///
    /// @return the argument for [#end]
    long begin(HypercallOp op) {
        long[] row = rows[op.index()];
        if (row == null) {
            row = new long[3 * CELLS];
            ROW.setRelease(rows, op.index(), row);
        }
        long before = row[BEGUN]++;
        boolean isTimed = before < TIMED_FIRST || (before & (TIMED_EVERY - 1)) == 0;
        return isTimed ? System.nanoTime() : UNTIMED;
    }

    /// Counts the end of the hypercall of `begin`, with `errno` (0 or a positive [XenError#number]).
    void end(HypercallOp op, int errno, long begin) {
        long[] row = Objects.requireNonNull(rows[op.index()], "not begun");
        int cell = cell(errno);
        long count = row[cell];
        CELL.setOpaque(row, cell, count + 1);
        if (begin != UNTIMED) {
            CELL.setOpaque(row, TIMED + cell, row[TIMED + cell] + 1);
            CELL.setOpaque(row, NANOS + cell, row[NANOS + cell] + System.nanoTime() - begin);
        }
        if (count == 0) {
            firstSeen.accept(op, errno);
        }
    }

    /// The number of hypercalls of this row that ended with `errno`.
    public long count(HypercallOp op, int errno) {
        return read(op, cell(errno));
    }

    /// The number of them that were timed.
    public long timed(HypercallOp op, int errno) {
        return read(op, TIMED + cell(errno));
    }

    /// The total nanoseconds of the timed ones in user space.
    public long nanos(HypercallOp op, int errno) {
        return read(op, NANOS + cell(errno));
    }

    /// Success is by far the most frequent result; it does without the look into the array.
    private long read(HypercallOp op, int cell) {
        long[] row = (long[]) ROW.getAcquire(rows, op.index());
        return row == null ? 0 : (long) CELL.getOpaque(row, cell);
    }

    private static int cell(int errno) {
        return errno == 0 ? SUCCESS : RESULT_OF[errno];
    }
}
