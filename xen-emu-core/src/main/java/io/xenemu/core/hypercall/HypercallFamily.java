package io.xenemu.core.hypercall;

import java.util.ArrayList;
import java.util.List;

/// The declaration of one hypercall: its name, number and sub-operations. Each file of this package that implements a
/// hypercall yields one.
public final class HypercallFamily {
    /// One sub-operation as declared.
    record Declared(int command, String name, HypercallHandler handler) {}

    private static final int NO_COMMAND = -1;
    private static final int WHOLE_WORD = -1;

    private final String name;
    private final int number;
    private final int commandMask;
    private final List<Declared> ops = new ArrayList<>();

    private HypercallFamily(String name, int number, int commandMask) {
        this.name = name;
        this.number = number;
        this.commandMask = commandMask;
    }

    /// A hypercall whose first argument selects the operation.
    static HypercallFamily of(String name, int number) {
        return new HypercallFamily(name, number, WHOLE_WORD);
    }

    /// A hypercall whose first argument selects the operation by the bits of `commandMask` alone.
    static HypercallFamily masked(String name, int number, int commandMask) {
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

    String name() {
        return name;
    }

    int number() {
        return number;
    }

    int commandMask() {
        return commandMask;
    }

    boolean isSingle() {
        return ops.size() == 1 && ops.get(0).command() == NO_COMMAND;
    }

    List<Declared> ops() {
        return ops;
    }
}
