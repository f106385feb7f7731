package io.xenemu.core.migration;

/// Whether compressing the sections of a stream saves more time than it takes, by what the last ones have shown. The
/// time of a compressor counts, also where a processor has nothing else to do: on a busy host it lengthens.
final class PackingGain {
    /// The part that the newest section has in the mean.
    private static final double NEWEST = 1.0 / 8;

    /// Compressors that work this small a part of the time cost nothing that matters.
    private static final double CHEAP = 1.0 / 4;

    private final int compressors;
    private double nanosPerByte;

    /// How long a compressor has taken for a byte, in ns, and the part of each that was saved. Both are means.
    private double packingPerByte;

    private double savedPart;
    private boolean hasPacked;

    /// @param compressors that work at a time
    PackingGain(int compressors) {
        this.compressors = compressors;
    }

    /// The stream has taken bytes.
    ///
    /// @param nanos for which the writer waited
    void took(int bytes, long nanos) {
        if (bytes > 0) {
            double now = (double) nanos / bytes;
            nanosPerByte = nanosPerByte == 0 ? now : nanosPerByte + NEWEST * (now - nanosPerByte);
        }
    }

    /// Whether the next sections are to be compressed after one of these lengths.
    ///
    /// @param plain bytes
    /// @param packed bytes; not less than `plain` if it did not become shorter
    /// @param nanos that compressing took
    boolean isWorth(int plain, int packed, long nanos) {
        packed(plain, packed, nanos);
        if (nanosPerByte == 0) {
            return true;
        }
        double available = nanosPerByte * plain * compressors;
        double saved = nanosPerByte * (plain - packed) * compressors;
        return nanos <= saved || nanos <= CHEAP * available;
    }

    private void packed(int plain, int packed, long nanos) {
        double time = (double) nanos / plain;
        double saved = (double) (plain - packed) / plain;
        double part = hasPacked ? NEWEST : 1;
        packingPerByte += part * (time - packingPerByte);
        savedPart += part * (saved - savedPart);
        hasPacked = true;
    }

    /// Whether a section that somebody waits for comes sooner if it is compressed. Other compressors do not help then.
    boolean isWorthWaiting() {
        return !hasPacked || nanosPerByte == 0 || packingPerByte <= nanosPerByte * savedPart;
    }
}
