package io.xenemu.evtchn;

/// How often tests repeat what chance decides. `-Dxenemu.soak=N` makes it N times as often, for a run of hours.
final class Rounds {
    private static final int FACTOR = Integer.getInteger("xenemu.soak", 1);

    private Rounds() {}

    /// Gives the number of rounds.
    ///
    /// @param usual enough to meet a fault that is easily met
    static int of(int usual) {
        return usual * FACTOR;
    }
}
