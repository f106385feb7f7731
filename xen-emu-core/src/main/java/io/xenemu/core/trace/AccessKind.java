package io.xenemu.core.trace;

import org.jspecify.annotations.Nullable;

/// Kinds of a call's accesses to guest memory, each with its number in the file.
public enum AccessKind {
    /// Bytes were copied from the guest.
    IN(0),
    /// Bytes were copied to the guest.
    OUT(1),
    /// The address was looked up for reading.
    LOOKED_UP(2),
    /// The address was looked up for writing.
    LOOKED_UP_FOR_WRITES(3);

    private final byte code;

    AccessKind(int code) {
        this.code = (byte) code;
    }

    /// The number in the file.
    byte code() {
        return code;
    }

    /// The kind of a number in the file; null if there is none.
    static @Nullable AccessKind of(int code) {
        for (AccessKind kind : values()) {
            if (kind.code == code) {
                return kind;
            }
        }
        return null;
    }

    /// Whether the bytes are in the record.
    public boolean hasBytes() {
        return this == IN || this == OUT;
    }

    /// Whether the call was able to write there, so that the page is writable.
    public boolean isWrite() {
        return this == OUT || this == LOOKED_UP_FOR_WRITES;
    }
}
