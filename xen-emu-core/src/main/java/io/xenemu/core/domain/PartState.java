package io.xenemu.core.domain;

import io.xenemu.kvm.wire.BodyWriter;

/// The answer of a guest's part to a save. Every part gives one of these answers, or has a [Part#blocker], so that
/// nothing is left out silently.
public sealed interface PartState {
    /// The part's state, as the body of a frame. [XenState] has a component for each.
    ///
    /// @param frameType names the component
    /// @param version of the body's layout
    record Saved(int frameType, int version, BodyWriter body) implements PartState {}

    /// The part is made again from the states of other parts.
    ///
    /// @param from their names
    record Derived(String from) implements PartState {}

    /// The part has no state, or starts anew after a restore.
    ///
    /// @param why for a reader of the code
    record Nothing(String why) implements PartState {}
}
