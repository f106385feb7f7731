package io.xenemu.core.trace;

import java.util.List;

/// A value as a trace shows it.
public sealed interface Shown {
    /// A number, unsigned.
    ///
    /// @param isAddress whether it is shown in hexadecimal
    record Word(long value, boolean isAddress) implements Shown {}

    /// Bytes that are text, up to the first NUL.
    record Text(String value) implements Shown {}

    /// Bytes.
    ///
    /// @param isCut whether there are more
    record Hex(String digits, boolean isCut) implements Shown {}

    /// Members by name.
    record Members(List<Member> members) implements Shown {
        public Members {
            members = List.copyOf(members);
        }
    }

    /// Elements of an array.
    ///
    /// @param isCut whether there are more
    record Items(List<Shown> items, boolean isCut) implements Shown {
        public Items {
            items = List.copyOf(items);
        }
    }

    /// A value that the call has replaced.
    record Changed(Shown before, Shown after) implements Shown {}

    /// A value with its name.
    record Member(String name, Shown value) {}
}
