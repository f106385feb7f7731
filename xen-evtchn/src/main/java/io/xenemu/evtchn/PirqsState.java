package io.xenemu.evtchn;

import java.util.List;

/// A domain's PIRQs as plain values. Their ports are among [EventChannelsState#ports].
///
/// @param sources every PIRQ that is not free, in ascending order
/// @param assertedGsis a bit for each GSI whose line is up
public record PirqsState(List<Source> sources, int assertedGsis) {
    /// Nothing mapped, no line up.
    public static final PirqsState EMPTY = new PirqsState(List.of(), 0);

    public PirqsState {
        sources = List.copyOf(sources);
    }

    /// What a PIRQ is.
    public enum Kind {
        /// Given out, but not in use yet.
        ALLOCATED,
        /// A message.
        MSI,
        /// A GSI.
        GSI
    }

    /// One PIRQ.
    ///
    /// @param pirq its number
    /// @param kind what it is
    /// @param gsi for [Kind#GSI], which one; else 0
    public record Source(int pirq, Kind kind, int gsi) {}
}
