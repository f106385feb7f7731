package io.xenemu.core.xlcfg;

import java.util.List;

/// A value in a configuration file. A number is the text of its digits, as in xl.
sealed interface XlValue {
    /// A string or number.
    record Text(String text) implements XlValue {}

    /// A list, whose members may be lists.
    record Items(List<XlValue> values) implements XlValue {
        public Items {
            values = List.copyOf(values);
        }
    }
}
