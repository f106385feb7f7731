package io.xenemu.core.toolstack;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// The most that a guest may send through a network interface: a number of bytes for each interval.
///
/// @param bytes of an interval, 1 to 2^32 - 1
/// @param micros length of an interval, 1 to 2^32 - 1
public record NicRate(long bytes, long micros) {
    /// The most of either.
    public static final long MAX = (1L << Integer.SIZE) - 1;

    private static final long MICROS_PER_SECOND = 1_000_000;
    private static final long DEFAULT_MICROS = 50_000;

    /// xlu_vif_parse_rate's; ten digits are more than any number that it takes.
    private static final Pattern SYNTAX =
            Pattern.compile("([0-9]{1,10})([GMK]?)([Bb])/s(?:@([0-9]{1,10})([mu]?)s?)?");

    /// Parses xl's form, such as `10Mb/s@20ms`: b are bits, B bytes, thousands are decimal, and an interval is 50 ms if
    /// none is given.
    ///
    /// @throws Refused if it is malformed, too large, or less than a byte for each interval
    static NicRate parse(String text) throws Refused {
        Matcher matcher = SYNTAX.matcher(text);
        if (!matcher.matches()) {
            throw wrong(text);
        }
        long perSecond =
                number(matcher.group(1), text)
                        * switch (matcher.group(2)) {
                            case "G" -> 1_000_000_000L;
                            case "M" -> 1_000_000L;
                            case "K" -> 1_000L;
                            default -> 1;
                        };
        if (matcher.group(3).equals("b")) {
            perSecond /= Byte.SIZE;
        }
        long micros = matcher.group(4) == null ? DEFAULT_MICROS : interval(matcher, text);
        if (perSecond > Long.MAX_VALUE / micros) {
            throw wrong(text);
        }
        long bytes = perSecond * micros / MICROS_PER_SECOND;
        if (bytes < 1 || bytes > MAX) {
            throw wrong(text);
        }
        return new NicRate(bytes, micros);
    }

    private static long interval(Matcher matcher, String text) throws Refused {
        long micros =
                number(matcher.group(4), text)
                        * switch (matcher.group(5)) {
                            case "u" -> 1L;
                            case "m" -> 1_000L;
                            default -> MICROS_PER_SECOND;
                        };
        if (micros > MAX) {
            throw wrong(text);
        }
        return micros;
    }

    private static long number(String digits, String text) throws Refused {
        long number = Long.parseLong(digits);
        if (number == 0 || number > MAX) {
            throw wrong(text);
        }
        return number;
    }

    private static Refused wrong(String text) {
        return new Refused("wrong rate: " + text);
    }

    /// libxl's form.
    String node() {
        return bytes + "," + micros;
    }
}
