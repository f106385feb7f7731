package io.xenemu.evtchn;

/// The port numbers in use, and the lowest free one. A bitmap of bitmaps, so that neither taking nor finding walks
/// over the numbers in use. The caller holds the binding lock.
final class FreePorts {
    /// The answer of [#next] if no number is free.
    static final int NONE = Integer.MAX_VALUE;

    private static final int SHIFT = 6;
    private static final long FULL = -1L;

    /// Level 0 has a bit for each number. A bit of a higher level says that a whole word of the level below is in use.
    private final long[][] levels;

    /// @param capacity numbers are 0 to `capacity - 1`; the caller refuses higher ones, which the last word has room
    ///     for
    FreePorts(int capacity) {
        int depth = 1;
        for (int words = words(capacity); words > 1; words = words(words)) {
            depth++;
        }
        levels = new long[depth][];
        int bits = capacity;
        for (int i = 0; i < depth; i++) {
            levels[i] = new long[words(bits)];
            bits = levels[i].length;
        }
    }

    private static int words(int bits) {
        return (bits + Long.SIZE - 1) >>> SHIFT;
    }

    void take(int number) {
        int bit = number;
        for (long[] level : levels) {
            level[bit >>> SHIFT] |= 1L << bit;
            if (level[bit >>> SHIFT] != FULL) {
                return;
            }
            bit >>>= SHIFT;
        }
    }

    void release(int number) {
        int bit = number;
        for (long[] level : levels) {
            boolean wasFull = level[bit >>> SHIFT] == FULL;
            level[bit >>> SHIFT] &= ~(1L << bit);
            if (!wasFull) {
                return;
            }
            bit >>>= SHIFT;
        }
    }

    /// The lowest free number that is at least `from`, or [#NONE].
    int next(int from) {
        int bit = from;
        for (int i = 0; i < levels.length; i++) {
            int word = bit >>> SHIFT;
            if (word >= levels[i].length) {
                return NONE;
            }
            long free = ~levels[i][word] & FULL << bit;
            if (free != 0) {
                return descend(i, (word << SHIFT) + Long.numberOfTrailingZeros(free));
            }
            bit = word + 1;
        }
        return NONE;
    }

    private int descend(int from, int found) {
        int bit = found;
        for (int i = from - 1; i >= 0; i--) {
            if (bit >= levels[i].length) {
                return NONE;
            }
            bit = (bit << SHIFT) + Long.numberOfTrailingZeros(~levels[i][bit]);
        }
        return bit;
    }
}
