package io.xenemu.core.cpuid;

/// The time stamp counter as Xen's time leaves tell a guest of it.
///
/// @param mode tsc_mode
/// @param khz the guest's frequency, which is the host's on a new guest
/// @param offset system time when the counter was 0, in nanoseconds
/// @param reliable whether the host's counters agree and never stop
/// @param rdtscp whether the processor has RDTSCP
public record TscInfo(TscMode mode, int khz, long offset, boolean reliable, boolean rdtscp) {
    private static final int FRACTION_BITS = 32;
    private static final double NANOS_PER_MILLI = 1_000_000.0;

    public TscInfo {
        if (khz <= 0) {
            throw new IllegalArgumentException("TSC of " + khz + " kHz");
        }
    }

    /// The info of a counter whose value is known at some time.
    ///
    /// @param clock the guest's system time, in nanoseconds
    /// @param tsc its counter at that time
    public static TscInfo at(
            TscMode mode, int khz, long clock, long tsc, boolean reliable, boolean rdtscp) {
        long sinceZero = (long) (tsc * (NANOS_PER_MILLI / khz));
        return new TscInfo(mode, khz, clock - sinceZero, reliable, rdtscp);
    }

    /// The shift with which [#multiplier] has its highest bit set: nanoseconds = (ticks << shift) * multiplier >> 32.
    int shift() {
        int shift = 0;
        while (nanosPerTickFraction(shift) >= 1L << FRACTION_BITS) {
            shift++;
        }
        while (nanosPerTickFraction(shift) < 1L << (FRACTION_BITS - 1)) {
            shift--;
        }
        return shift;
    }

    int multiplier() {
        return (int) nanosPerTickFraction(shift());
    }

    private long nanosPerTickFraction(int shift) {
        return (long) Math.scalb(NANOS_PER_MILLI / khz, FRACTION_BITS - shift);
    }
}
