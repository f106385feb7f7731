package io.xenemu.core.trace;

import io.xenemu.kvm.memory.GuestStruct;

/// One argument of a hypercall as its C prototype has it.
sealed interface Argument {
    /// A number in a register.
    ///
    /// @param register 0 to 5
    record Value(String name, int register) implements Argument {}

    /// The address of a structure.
    ///
    /// @param register 0 to 5
    record Struct(GuestStruct type, int register) implements Argument {}

    /// The address of an array of structures.
    ///
    /// @param register 0 to 5
    /// @param count the register with the number of elements
    record Structs(GuestStruct type, int register, int count) implements Argument {}

    /// The address of data that is no structure.
    ///
    /// @param register 0 to 5
    record Data(String name, int register) implements Argument {}
}
