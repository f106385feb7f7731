package io.xenemu.core.toolstack;

import java.util.HexFormat;
import java.util.Locale;
import java.util.Optional;
import java.util.random.RandomGenerator;
import java.util.regex.Pattern;

/// The address of a network interface.
///
/// @param value 48 bits, the first octet in the highest
public record MacAddress(long value) {
    /// The prefix reserved for Xen's guests.
    private static final long XEN_PREFIX = 0x00163eL << 24;

    /// The highest bit after the prefix is zero, as in xl's addresses.
    private static final int RANDOM_BITS = 23;

    private static final int OCTETS = 6;

    private static final Pattern TEXT =
            Pattern.compile("[0-9a-fA-F]{1,2}(:[0-9a-fA-F]{1,2}){" + (OCTETS - 1) + "}");

    /// A random address with Xen's prefix (00:16:3e).
    static MacAddress random(RandomGenerator random) {
        return new MacAddress(XEN_PREFIX | random.nextInt(1 << RANDOM_BITS));
    }

    /// Parses `00:16:3e:01:02:03`; leading zeros of an octet may be missing.
    ///
    /// @return empty if it is not an address
    static Optional<MacAddress> parse(String text) {
        if (!TEXT.matcher(text).matches()) {
            return Optional.empty();
        }
        long value = 0;
        for (String octet : text.split(":", -1)) {
            value = (value << Byte.SIZE) | HexFormat.fromHexDigits(octet);
        }
        return Optional.of(new MacAddress(value));
    }

    @Override
    public String toString() {
        StringBuilder text = new StringBuilder();
        for (int i = OCTETS - 1; i >= 0; i--) {
            long octet = (value >> (i * Byte.SIZE)) & 0xff;
            text.append(String.format(Locale.ROOT, "%02x%s", octet, i == 0 ? "" : ":"));
        }
        return text.toString();
    }
}
