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

    /// The source of a PIRQ.
    public enum Kind {
        /// Allocated, but not in use yet.
        ALLOCATED,
        /// A message.
        MSI,
        /// A GSI.
        GSI
    }

    /// One PIRQ.
    ///
    /// @param pirq the PIRQ's number
    /// @param kind its source
    /// @param gsi for [Kind#GSI], the GSI; else 0
    public record Source(int pirq, Kind kind, int gsi) {}
}
