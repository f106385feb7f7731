package io.xenemu.core.cpuid;

import com.google.common.base.CharMatcher;
import java.util.Locale;

/// The words for leaves, registers and numbers in policies and overrides.
final class PolicyText {
    private static final String MSR = "msr ";

    /// The most characters of a wrong word in a message: more than any right word has.
    private static final int MAX_SHOWN = 40;

    private PolicyText() {}

    /// Reads what [PolicyLeaf#toString] writes.
    ///
    /// @throws IllegalArgumentException if it is no leaf
    static PolicyLeaf leaf(String text) {
        if (text.startsWith(MSR)) {
            return new PolicyLeaf(u32(text.substring(MSR.length())), PolicyLeaf.MSR);
        }
        int dot = text.indexOf('.');
        if (dot < 0) {
            return PolicyLeaf.of(u32(text));
        }
        int index = u32(text.substring(dot + 1));
        if (index < 0) {
            throw new IllegalArgumentException(shown(text) + " is not a leaf");
        }
        return PolicyLeaf.of(u32(text.substring(0, dot)), index);
    }

    /// @throws IllegalArgumentException if it is none of the four
    static Register register(String text) {
        for (Register register : Register.values()) {
            if (register.word().equals(text)) {
                return register;
            }
        }
        throw new IllegalArgumentException(shown(text) + " is not eax, ebx, ecx or edx");
    }

    /// Reads a number of 32 bits, decimal or with `0x`.
    ///
    /// @throws IllegalArgumentException if it is none
    static int u32(String text) {
        boolean hex = text.startsWith("0x");
        String digits = hex ? text.substring(2) : text;
        try {
            if (!digits.isEmpty() && Character.digit(digits.charAt(0), hex ? 16 : 10) >= 0) {
                return Integer.parseUnsignedInt(digits, hex ? 16 : 10);
            }
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException(shown(text) + " is not a number of 32 bits", e);
        }
        throw new IllegalArgumentException(shown(text) + " is not a number of 32 bits");
    }

    /// A wrong word for a message of one line: short, and without what a terminal obeys.
    static String shown(String word) {
        String text = CharMatcher.inRange(' ', '~').negate().replaceFrom(word, '?');
        boolean isShort = text.length() <= MAX_SHOWN;
        return "'" + (isShort ? text : text.substring(0, MAX_SHOWN) + "...") + "'";
    }

    /// Eight hexadecimal digits with `0x`.
    static String hex(int value) {
        return String.format(Locale.ROOT, "0x%08x", value);
    }
}
