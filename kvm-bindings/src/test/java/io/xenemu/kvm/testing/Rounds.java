package io.xenemu.kvm.testing;

/// How often tests repeat what chance decides. `-Dxenemu.soak=N` makes it N times as often, for a run of hours.
public final class Rounds {
    private static final int FACTOR = Integer.getInteger("xenemu.soak", 1);

    private Rounds() {}

    /// Gives the number of rounds.
    ///
    /// @param usual enough to meet a fault that is easily met
    public static int of(int usual) {
        return usual * FACTOR;
    }

    /// Takes each n-th of many positions, every one in a soak.
    public static int stride(int usual) {
        return Math.max(1, usual / FACTOR);
    }
}
