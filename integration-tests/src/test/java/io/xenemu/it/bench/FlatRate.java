package io.xenemu.it.bench;

/// Tells when a loop is as fast as it gets. It is timed window after window, as in the `bench` guest. It is flat when
/// [#WINDOWS] windows in a row have not brought the shortest time down by a part of [#FASTER]. Fewer windows do not
/// tell: a compiler works in steps, and a loop stands still between them.
final class FlatRate {
    static final int WINDOWS = 5;
    static final double FASTER = 0.02;

    private double shortest = Double.POSITIVE_INFINITY;
    private int same;

    /// One window's time, per call.
    void add(double time) {
        if (time < shortest * (1 - FASTER)) {
            shortest = time;
            same = 0;
        } else {
            same++;
        }
    }

    boolean isFlat() {
        return same >= WINDOWS;
    }
}
