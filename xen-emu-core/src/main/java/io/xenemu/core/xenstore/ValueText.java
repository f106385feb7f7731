package io.xenemu.core.xenstore;

import java.io.ByteArrayOutputStream;

/// The Xen tools' form of a value, which shows bytes that are not printable ASCII as escapes.
final class ValueText {
    private static final int OCTAL_BELOW = 8;

    private ValueText() {}

    /// The printable form: `\t`, `\n`, `\r`, `\\`, three octal digits below 8, else `\x` and two hexadecimal digits.
    static String show(byte[] value) {
        StringBuilder text = new StringBuilder(value.length);
        for (byte b : value) {
            int c = Byte.toUnsignedInt(b);
            switch (c) {
                case '\t' -> text.append("\\t");
                case '\n' -> text.append("\\n");
                case '\r' -> text.append("\\r");
                case '\\' -> text.append("\\\\");
                default -> {
                    if (c >= ' ' && c <= '~') {
                        text.append((char) c);
                    } else {
                        text.append(String.format(c < OCTAL_BELOW ? "\\%03o" : "\\x%02x", c));
                    }
                }
            }
        }
        return text.toString();
    }

    /// The bytes of a text in that form. A backslash before any other character stands for that character, and at the
    /// end for NUL. An escape has up to three octal or two hexadecimal digits.
    static byte[] parse(byte[] source) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        int at = 0;
        while (at < source.length) {
            int c = source[at++];
            if (c != '\\' || at == source.length) {
                bytes.write(c == '\\' ? 0 : c);
                continue;
            }
            c = source[at];
            if (c >= '0' && c < '0' + OCTAL_BELOW) {
                int end = digitsEnd(source, at, 3, OCTAL_BELOW);
                bytes.write(number(source, at, end, OCTAL_BELOW));
                at = end;
            } else if (c == 'x') {
                int end = digitsEnd(source, at + 1, 2, 16);
                bytes.write(end == at + 1 ? 'x' : number(source, at + 1, end, 16));
                at = end;
            } else {
                bytes.write(plain(c));
                at++;
            }
        }
        return bytes.toByteArray();
    }

    private static int plain(int c) {
        return switch (c) {
            case 't' -> '\t';
            case 'n' -> '\n';
            case 'r' -> '\r';
            default -> c;
        };
    }

    private static int digitsEnd(byte[] source, int from, int most, int radix) {
        int end = from;
        while (end < source.length
                && end < from + most
                && Character.digit(source[end], radix) >= 0) {
            end++;
        }
        return end;
    }

    private static int number(byte[] source, int from, int to, int radix) {
        int value = 0;
        for (int i = from; i < to; i++) {
            value = value * radix + Character.digit(source[i], radix);
        }
        return value;
    }
}
