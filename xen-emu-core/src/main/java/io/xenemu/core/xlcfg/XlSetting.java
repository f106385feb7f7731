package io.xenemu.core.xlcfg;

import java.util.ArrayList;
import java.util.List;

/// A setting in a configuration file.
///
/// @param name as written
/// @param value its value, with what `+=` has added to
/// @param place where it is set last
record XlSetting(String name, XlValue value, XlPlace place) {
    private static final int HEXADECIMAL = 16;
    private static final int OCTAL = 8;
    private static final int DECIMAL = 10;

    /// The value as text.
    ///
    /// @throws XlCfgException for a list
    String text() throws XlCfgException {
        return switch (value) {
            case XlValue.Text(String text) -> text;
            case XlValue.Items _ -> throw wrong("one value is needed, not a list");
        };
    }

    /// The value as a number, as by strtol(3): decimal, hexadecimal with 0x, octal with 0.
    ///
    /// @throws XlCfgException if it is none of 64 bits
    long number() throws XlCfgException {
        String text = text();
        boolean negative = text.startsWith("-");
        String digits = negative || text.startsWith("+") ? text.substring(1) : text;
        int radix = DECIMAL;
        if (digits.startsWith("0x") || digits.startsWith("0X")) {
            radix = HEXADECIMAL;
            digits = digits.substring(2);
        } else if (digits.length() > 1 && digits.startsWith("0")) {
            radix = OCTAL;
        }
        try {
            if (!digits.isEmpty() && Character.digit(digits.charAt(0), radix) >= 0) {
                return Long.parseLong(negative ? "-" + digits : digits, radix);
            }
        } catch (NumberFormatException e) {
            // It is refused below.
        }
        throw wrong("not a whole number");
    }

    /// The value as true or false: any number but 0 is true.
    ///
    /// @throws XlCfgException if it is no number
    boolean flag() throws XlCfgException {
        return number() != 0;
    }

    /// The texts of a list.
    ///
    /// @throws XlCfgException if it is none
    List<String> texts() throws XlCfgException {
        if (!(value instanceof XlValue.Items(List<XlValue> values))) {
            throw wrong("a list is needed: [ ... ]");
        }
        List<String> texts = new ArrayList<>();
        for (XlValue member : values) {
            if (!(member instanceof XlValue.Text(String text))) {
                throw wrong("a list of texts is needed, not of lists");
            }
            texts.add(text);
        }
        return texts;
    }

    /// Whether it is a list.
    boolean isList() {
        return value instanceof XlValue.Items;
    }

    /// The refusal of this setting.
    XlCfgException wrong(String reason) {
        return new XlCfgException(place, name + ": " + reason);
    }
}
