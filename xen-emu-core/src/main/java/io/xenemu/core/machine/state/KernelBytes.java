package io.xenemu.core.machine.state;

import java.util.Arrays;

/// A structure of KVM's in its own layout, compared by its bytes.
public final class KernelBytes {
    private final byte[] bytes;

    /// @param bytes are copied
    public KernelBytes(byte[] bytes) {
        this.bytes = bytes.clone();
    }

    /// A copy.
    public byte[] toBytes() {
        return bytes.clone();
    }

    int size() {
        return bytes.length;
    }

    /// @throws IllegalArgumentException if the structure has another size
    void requireSize(String what, int size) {
        if (bytes.length != size) {
            throw new IllegalArgumentException(
                    "%s of %d bytes, not %d".formatted(what, bytes.length, size));
        }
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof KernelBytes that && Arrays.equals(bytes, that.bytes);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(bytes);
    }

    @Override
    public String toString() {
        return bytes.length + " bytes, hash " + Integer.toHexString(hashCode());
    }
}
