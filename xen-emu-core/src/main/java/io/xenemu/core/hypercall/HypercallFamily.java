package io.xenemu.core.hypercall;

import java.util.ArrayList;
import java.util.List;

/// The declaration of one hypercall: its name, number and sub-operations. Each file of this package that implements a
/// hypercall returns one.
public final class HypercallFamily {
    /// One sub-operation as declared.
    record Declared(int command, String name, HypercallHandler handler) {}

    private static final int NO_COMMAND = -1;

    /// The sub-operation is an `int` in C.
    private static final long INT = 0xffff_ffffL;

    /// It is an `unsigned long`.
    private static final long ULONG = -1;

    private final String name;
    private final int number;
    private final long commandMask;
    private final List<Declared> ops = new ArrayList<>();
    private HypercallHandler others = FixedAnswer.ENOSYS;

    private HypercallFamily(String name, int number, long commandMask) {
        this.name = name;
        this.number = number;
        this.commandMask = commandMask;
    }

    /// A hypercall whose first argument selects the operation by its low 32 bits.
    static HypercallFamily of(String name, int number) {
        return new HypercallFamily(name, number, INT);
    }

    /// A hypercall whose first argument selects the operation by all of its bits.
    static HypercallFamily ulong(String name, int number) {
        return new HypercallFamily(name, number, ULONG);
    }

    /// A hypercall whose first argument selects the operation by the bits of `commandMask`.
    static HypercallFamily masked(String name, int number, long commandMask) {
        return new HypercallFamily(name, number, commandMask);
    }

    /// A hypercall without sub-operations.
    static HypercallFamily single(String name, int number, HypercallHandler handler) {
        HypercallFamily family = new HypercallFamily(name, number, 0);
        family.ops.add(new Declared(NO_COMMAND, "", handler));
        return family;
    }

    /// Adds the sub-operation `op`.
    HypercallFamily op(int command, String op, HypercallHandler handler) {
        ops.add(new Declared(command, op, handler));
        return this;
    }

    /// Sets the handler of undeclared sub-operations, for hypercalls that check something else before they return
    /// -ENOSYS.
    HypercallFamily others(HypercallHandler handler) {
        others = handler;
        return this;
    }

    /// Adds a sub-operation that Xen has, but not for HVM guests.
    HypercallFamily absent(int command, String op) {
        return op(command, op, FixedAnswer.ENOSYS);
    }

    String name() {
        return name;
    }

    int number() {
        return number;
    }

    long commandMask() {
        return commandMask;
    }

    HypercallHandler others() {
        return others;
    }

    boolean isSingle() {
        return ops.size() == 1 && ops.get(0).command() == NO_COMMAND;
    }

    List<Declared> ops() {
        return ops;
    }
}
