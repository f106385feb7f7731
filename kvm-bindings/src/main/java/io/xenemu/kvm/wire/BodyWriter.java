package io.xenemu.kvm.wire;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;

/// Writes the body of a frame, little-endian. [BodyReader] has the same methods.
public final class BodyWriter {
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

    /// An empty body.
    public BodyWriter() {}

    /// Writes 8 bits.
    ///
    /// @throws IllegalArgumentException if the value has more
    public BodyWriter u8(int value) {
        if (value >>> Byte.SIZE != 0) {
            throw new IllegalArgumentException("not 8 bits: " + value);
        }
        return put(value, Byte.BYTES);
    }

    /// Writes 16 bits.
    ///
    /// @throws IllegalArgumentException if the value has more
    public BodyWriter u16(int value) {
        if (value >>> Short.SIZE != 0) {
            throw new IllegalArgumentException("not 16 bits: " + value);
        }
        return put(value, Short.BYTES);
    }

    /// Writes 32 bits.
    public BodyWriter u32(int value) {
        return put(value, Integer.BYTES);
    }

    /// Writes 64 bits.
    public BodyWriter u64(long value) {
        return put(value, Long.BYTES);
    }

    /// Writes a byte, 0 or 1.
    public BodyWriter bool(boolean value) {
        return u8(value ? 1 : 0);
    }

    /// Writes a length of 32 bits, then the bytes.
    public BodyWriter bytes(byte[] value) {
        requireRoom((long) Integer.BYTES + value.length);
        u32(value.length);
        bytes.writeBytes(value);
        return this;
    }

    /// Writes a text as its UTF-8 bytes.
    public BodyWriter string(String value) {
        return bytes(value.getBytes(StandardCharsets.UTF_8));
    }

    /// The bytes written so far.
    public byte[] toBytes() {
        return bytes.toByteArray();
    }

    private BodyWriter put(long value, int size) {
        requireRoom(size);
        for (int i = 0; i < size; i++) {
            bytes.write((int) (value >>> (i * Byte.SIZE)));
        }
        return this;
    }

    private void requireRoom(long more) {
        if (bytes.size() + more > WireLimits.MAX_BODY_BYTES) {
            throw new IllegalStateException("state is larger than WireLimits.MAX_BODY_BYTES");
        }
    }
}
