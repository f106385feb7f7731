package io.xenemu.core.trace;

import com.google.common.base.Splitter;
import io.xenemu.core.hypercall.HypercallOp;
import io.xenemu.core.hypercall.HypercallTable;
import java.util.BitSet;
import java.util.EnumSet;

/// The hypercalls and kinds of events that a trace records. Each trace has [TraceKind#CHANGES].
public final class TraceFilter {
    /// The word for all hypercalls.
    private static final String HYPERCALLS = "hypercalls";

    private static final char OP = '/';

    private final BitSet rows;
    private final int rowCount;
    private final EnumSet<TraceKind> kinds;

    private TraceFilter(BitSet rows, int rowCount, EnumSet<TraceKind> kinds) {
        this.rows = rows;
        this.rowCount = rowCount;
        this.kinds = kinds;
    }

    /// A filter that takes all calls, and no events.
    public static TraceFilter all(HypercallTable table) {
        return of(table, HYPERCALLS);
    }

    /// A filter that takes what is named, separated by commas: `event_channel_op` for all of its operations,
    /// `event_channel_op/send` for one, `hypercalls` for all; or a kind of events, such as `exits`.
    ///
    /// @throws IllegalArgumentException if there is nothing of that name; the message is for an operator
    public static TraceFilter of(HypercallTable table, String names) {
        BitSet rows = new BitSet();
        EnumSet<TraceKind> kinds = EnumSet.of(TraceKind.CHANGES);
        for (String name : Splitter.on(',').split(names)) {
            int before = rows.cardinality() + kinds.size();
            for (TraceKind kind : TraceKind.values()) {
                if (kind.word().equals(name)) {
                    kinds.add(kind);
                }
            }
            for (HypercallOp row : table.ops()) {
                if (isNamed(row, name)) {
                    rows.set(row.index());
                }
            }
            if (rows.cardinality() + kinds.size() == before) {
                throw new IllegalArgumentException(
                        "nothing of that name can be traced, or it is named twice: '"
                                + name
                                + "'; there are hypercalls, exits, upcalls, xenstore, grants, and"
                                + " single hypercalls such as event_channel_op or"
                                + " event_channel_op/send");
            }
        }
        return new TraceFilter(rows, table.ops().size(), kinds);
    }

    private static boolean isNamed(HypercallOp row, String name) {
        return name.equals(HYPERCALLS)
                || name.equals(row.hypercall())
                || name.equals(row.hypercall() + OP + row.op());
    }

    /// Whether calls of this row are recorded.
    boolean takes(HypercallOp op) {
        return rows.get(op.index());
    }

    /// Whether calls of all rows are recorded.
    boolean takesAllCalls() {
        return rows.cardinality() == rowCount;
    }

    /// Whether calls of some row are recorded.
    boolean takesCalls() {
        return !rows.isEmpty();
    }

    /// Whether events of this kind are recorded.
    boolean takes(TraceKind kind) {
        return kinds.contains(kind);
    }
}
