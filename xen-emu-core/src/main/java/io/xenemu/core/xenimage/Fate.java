package io.xenemu.core.xenimage;

/// What an import does with a kind of record.
enum Fate {
    /// The guest gets what it says.
    TAKEN,
    /// It is read over: the guest does not need it here.
    IGNORED,
    /// An image that has one cannot be imported.
    REFUSED
}
