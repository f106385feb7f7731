package io.xenemu.core.guest;

/// An amount of memory: a number with an optional suffix B, K, M, G or T (powers of 1024). Without a
/// suffix it is MiB, as in an xl configuration file and with xl's verbs.
///
/// @param bytes the amount, positive
public record MemorySize(long bytes) {
    private static final int MIB_SHIFT = 20;

    /// Parses `text`.
    ///
    /// @throws IllegalArgumentException if it is not a positive amount below 2^63 bytes
    public static MemorySize parse(String text) {
        String digits = text;
        int shift = MIB_SHIFT;
        if (!text.isEmpty() && !Character.isDigit(text.charAt(text.length() - 1))) {
            shift =
                    switch (Character.toUpperCase(text.charAt(text.length() - 1))) {
                        case 'B' -> 0;
                        case 'K' -> 10;
                        case 'M' -> MIB_SHIFT;
                        case 'G' -> 30;
                        case 'T' -> 40;
                        default -> throw invalid(text);
                    };
            digits = text.substring(0, text.length() - 1);
        }
        if (digits.isEmpty() || !digits.chars().allMatch(c -> c >= '0' && c <= '9')) {
            throw invalid(text);
        }
        try {
            long bytes = Math.multiplyExact(Long.parseLong(digits), 1L << shift);
            if (bytes == 0) {
                throw invalid(text);
            }
            return new MemorySize(bytes);
        } catch (NumberFormatException | ArithmeticException e) {
            throw invalid(text);
        }
    }

    private static IllegalArgumentException invalid(String text) {
        return new IllegalArgumentException(
                "'" + text + "' is not an amount of memory such as 512M or 2G");
    }
}
