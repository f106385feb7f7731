package io.xenemu.core.toolstack;

import com.google.common.primitives.Longs;
import java.util.Locale;

/// The most that a guest may do with a disk of the service in a second.
///
/// @param requests of any kind; 0 for any number
/// @param bytes read and written; 0 for any number
public record DiskRates(long requests, long bytes) {
    /// No limits.
    public static final DiskRates UNLIMITED = new DiskRates(0, 0);

    /// The highest limit: far more than memory can move, and products with nanoseconds stay numbers of 64 bits.
    public static final long MAX = 1L << 40;

    /// Whether there is a limit.
    public boolean isLimited() {
        return requests > 0 || bytes > 0;
    }

    /// Parses a limit: a number from 1, for bytes with the suffix K, M or G for powers of 1024.
    ///
    /// @param key named in the reason
    /// @throws Refused if it is none
    static long parse(String key, String text, boolean isBytes) throws Refused {
        String upper = text.toUpperCase(Locale.ROOT);
        int suffix = upper.isEmpty() ? -1 : "KMG".indexOf(upper.charAt(upper.length() - 1));
        boolean scaled = isBytes && suffix >= 0;
        Long number = Longs.tryParse(scaled ? upper.substring(0, upper.length() - 1) : upper);
        int shift = scaled ? 10 * (suffix + 1) : 0;
        if (number == null || number < 1 || number > MAX >> shift) {
            throw new Refused(
                    "%s=%s: not a number from 1 to 2^40%s"
                            .formatted(key, text, isBytes ? ", with K, M or G" : ""));
        }
        return number << shift;
    }
}
