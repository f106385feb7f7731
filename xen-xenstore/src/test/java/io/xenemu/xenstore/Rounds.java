package io.xenemu.xenstore;

/// How often tests repeat what chance decides. `-Dxenemu.soak=N` makes it N times as often, for a run of hours.
public final class Rounds {
    private static final int FACTOR = Integer.getInteger("xenemu.soak", 1);

    private Rounds() {}

    /// Takes each n-th of many positions, every one in a soak.
    public static int stride(int usual) {
        return Math.max(1, usual / FACTOR);
    }
}
