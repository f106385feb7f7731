package io.xenemu.core.trace;

import com.google.common.base.Splitter;
import io.xenemu.core.hypercall.HypercallOp;
import io.xenemu.core.hypercall.HypercallTable;
import java.util.BitSet;

/// The hypercalls that a trace records.
public final class TraceFilter {
    private static final char OP = '/';

    private final BitSet rows;

    private TraceFilter(BitSet rows) {
        this.rows = rows;
    }

    /// A filter that takes all calls.
    public static TraceFilter all(HypercallTable table) {
        BitSet rows = new BitSet();
        rows.set(0, table.ops().size());
        return new TraceFilter(rows);
    }

    /// A filter that takes the named calls, separated by commas: `event_channel_op` for all of its operations, or
    /// `event_channel_op/send` for one.
    ///
    /// @throws IllegalArgumentException if the table has no such row; the message is for an operator
    public static TraceFilter of(HypercallTable table, String names) {
        BitSet rows = new BitSet();
        for (String name : Splitter.on(',').split(names)) {
            int before = rows.cardinality();
            for (HypercallOp row : table.ops()) {
                if (isNamed(row, name)) {
                    rows.set(row.index());
                }
            }
            if (rows.cardinality() == before) {
                throw new IllegalArgumentException(
                        "no such hypercall, or named twice: '"
                                + name
                                + "'; for example event_channel_op or event_channel_op/send");
            }
        }
        return new TraceFilter(rows);
    }

    private static boolean isNamed(HypercallOp row, String name) {
        return name.equals(row.hypercall()) || name.equals(row.hypercall() + OP + row.op());
    }

    /// Whether calls of this row are recorded.
    boolean takes(HypercallOp op) {
        return rows.get(op.index());
    }
}
