package io.xenemu.core.backend.nbd;

/// An answer to `NBD_CMD_BLOCK_STATUS`: consecutive ranges and their state in `base:allocation`. It may end before or
/// after the range that was asked for.
public final class NbdExtents {
    /// No data is allocated (`NBD_STATE_HOLE`).
    public static final int HOLE = 1;

    /// The range reads as zeroes (`NBD_STATE_ZERO`).
    public static final int ZERO = 1 << 1;

    /// Ranges that are kept; a server may send up to 2^20.
    private static final int MOST = 1024;

    private final long[] lengths = new long[MOST];
    private final int[] states = new int[MOST];
    private int count;

    NbdExtents() {}

    /// Adds a range; those beyond the limit are left out.
    void add(long length, int state) {
        if (count < MOST) {
            lengths[count] = length;
            states[count++] = state;
        }
    }

    /// How many ranges there are.
    public int count() {
        return count;
    }

    /// Bytes of a range.
    public long length(int i) {
        return lengths[i];
    }

    /// The bits [#HOLE] and [#ZERO] of a range.
    public int state(int i) {
        return states[i];
    }
}
