package io.xenemu.core.guest;

import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.UUID;

/// The form of a setting's value, which is text in xl's notation.
public enum SettingType {
    TEXT,
    /// A path.
    FILE,
    /// 32 bits, signed.
    NUMBER,
    /// See [MemorySize].
    MEMORY,
    /// See [XenVersion].
    VERSION,
    /// `true` or `false`, or xl's 1 or 0.
    FLAG,
    UUID,
    /// See [EndAction#parse].
    ACTION,
    /// See [EndAction#parseReset].
    RESET_ACTION,
    /// Any number of texts, in order.
    LIST;

    /// Checks one text.
    ///
    /// @throws IllegalArgumentException if it has another form; the message begins with the text in quotes
    public void check(String text) {
        switch (this) {
            case TEXT, LIST -> {}
            case FILE -> {
                Path _ = path(text);
            }
            case NUMBER -> {
                int _ = number(text);
            }
            case MEMORY -> {
                MemorySize _ = MemorySize.parse(text);
            }
            case VERSION -> {
                XenVersion _ = XenVersion.parse(text);
            }
            case FLAG -> {
                boolean _ = flag(text);
            }
            case ACTION -> {
                EndAction _ = EndAction.parse(text);
            }
            case RESET_ACTION -> {
                EndAction _ = EndAction.parseReset(text);
            }
            case UUID -> {
                if (!text.isEmpty()) {
                    UUID _ = uuid(text);
                }
            }
        }
    }

    static Path path(String text) {
        try {
            return Path.of(text);
        } catch (InvalidPathException e) {
            throw new IllegalArgumentException("'" + text + "' is not a path", e);
        }
    }

    static int number(String text) {
        try {
            return Integer.parseInt(text);
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException(
                    "'" + text + "' is not a whole number of 32 bits", e);
        }
    }

    static boolean flag(String text) {
        return switch (text) {
            case "true", "1" -> true;
            case "false", "0" -> false;
            default -> throw new IllegalArgumentException("'" + text + "' is not true or false");
        };
    }

    static UUID uuid(String text) {
        try {
            return java.util.UUID.fromString(text);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException("'" + text + "' is not a UUID", e);
        }
    }
}
