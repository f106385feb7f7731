package io.xenemu.core.hypercall;

import com.google.common.collect.ImmutableList;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The table from hypercall number and sub-operation to handler. Immutable; one serves every domain.
///
/// Unknown numbers and sub-operations have rows of their own, so that they are counted like any other. They answer
/// -ENOSYS unless the family says otherwise. `docs/hypercalls.md` prints this table, and a test compares the two.
public final class HypercallTable {
    /// The name of the rows for unknown numbers and sub-operations.
    public static final String UNKNOWN = "unknown";

    /// Numbers at or above this are unknown (`NR_hypercalls` of Xen's x86 build).
    private static final int NUMBERS = 64;

    /// Sub-operations at or above this are unknown; the largest in use is XENMEM's 6-bit command.
    private static final int COMMANDS = 64;

    private final @Nullable Row[] rows = new @Nullable Row[NUMBERS];
    private final ImmutableList<HypercallOp> all;
    private final HypercallOp unknown;

    /// The sub-operations of one hypercall.
    private static final class Row {
        final long commandMask;
        final boolean single;
        final HypercallOp[] ops;
        final HypercallOp unknown;

        Row(long commandMask, boolean single, HypercallOp[] ops, HypercallOp unknown) {
            this.commandMask = commandMask;
            this.single = single;
            this.ops = ops;
            this.unknown = unknown;
        }
    }

    public HypercallTable(List<HypercallFamily> families) {
        List<HypercallOp> list = new ArrayList<>();
        unknown = add(list, UNKNOWN, -1, "", -1, FixedAnswer.ENOSYS);
        for (HypercallFamily family : families) {
            if (rows[family.number()] != null) {
                throw new IllegalArgumentException("declared twice: " + family.name());
            }
            rows[family.number()] = row(list, family);
        }
        all = ImmutableList.copyOf(list);
    }

    private Row row(List<HypercallOp> list, HypercallFamily family) {
        String name = family.name();
        int number = family.number();
        if (family.isSingle()) {
            HypercallHandler handler = family.ops().get(0).handler();
            HypercallOp only = add(list, name, number, "", -1, handler);
            return new Row(0, true, new HypercallOp[] {only}, unknown);
        }
        HypercallOp[] ops = new HypercallOp[COMMANDS];
        HypercallOp other = add(list, name, number, UNKNOWN, -1, family.others());
        Arrays.fill(ops, other);
        for (HypercallFamily.Declared declared : family.ops()) {
            int command = declared.command();
            if (!ops[command].unknown()) {
                throw new IllegalArgumentException("declared twice: " + name + " " + command);
            }
            ops[command] = add(list, name, number, declared.name(), command, declared.handler());
        }
        return new Row(family.commandMask(), false, ops, other);
    }

    private static HypercallOp add(
            List<HypercallOp> list,
            String name,
            int number,
            String op,
            int command,
            HypercallHandler handler) {
        HypercallOp row = new HypercallOp(name, number, op, command, handler, list.size());
        list.add(row);
        return row;
    }

    /// Every hypercall of Xen's table for HVM guests.
    public static HypercallTable standard() {
        List<HypercallFamily> families = new ArrayList<>();
        families.addAll(PvOnlyOps.families());
        families.addAll(ToolstackOps.families());
        families.addAll(
                List.of(
                        MemoryOp.family(),
                        MulticallOp.family(),
                        GrantTableOp.family(),
                        SetTimerOp.family(),
                        XenVersionOp.family(),
                        ConsoleIoOp.family(),
                        VmAssistOp.family(),
                        VcpuOp.family(),
                        SchedOp.family(),
                        EventChannelOp.family(),
                        PhysdevOp.family(),
                        HvmOp.family()));
        return new HypercallTable(families);
    }

    /// The row for a call, never null.
    ///
    /// @param number the guest's RAX or EAX
    /// @param first the guest's first argument, which selects the sub-operation
    public HypercallOp lookup(long number, long first) {
        if (Long.compareUnsigned(number, NUMBERS) >= 0) {
            return unknown;
        }
        Row row = rows[(int) number];
        if (row == null) {
            return unknown;
        }
        if (row.single) {
            return row.ops[0];
        }
        long command = first & row.commandMask;
        return Long.compareUnsigned(command, COMMANDS) < 0 ? row.ops[(int) command] : row.unknown;
    }

    /// All rows in the order of their index.
    public ImmutableList<HypercallOp> ops() {
        return all;
    }
}
