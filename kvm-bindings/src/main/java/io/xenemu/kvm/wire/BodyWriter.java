package io.xenemu.kvm.wire;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/// Writes the body of a frame, little-endian. [BodyReader] has the same methods. A guest that moves stands still while
/// its state is written.
public final class BodyWriter {
    private static final VarHandle LONGS =
            MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

    private static final VarHandle INTS =
            MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);

    private static final VarHandle SHORTS =
            MethodHandles.byteArrayViewVarHandle(short[].class, ByteOrder.LITTLE_ENDIAN);

    /// Enough for most bodies.
    private static final int FIRST_BYTES = 64;

    private byte[] bytes = new byte[FIRST_BYTES];
    private int size;

    /// An empty body.
    public BodyWriter() {}

    /// Writes 8 bits.
    ///
    /// @throws IllegalArgumentException if the value has more
    public BodyWriter u8(int value) {
        if (value >>> Byte.SIZE != 0) {
            throw new IllegalArgumentException("not 8 bits: " + value);
        }
        int at = extend(Byte.BYTES);
        bytes[at] = (byte) value;
        return this;
    }

    /// Writes 16 bits.
    ///
    /// @throws IllegalArgumentException if the value has more
    public BodyWriter u16(int value) {
        if (value >>> Short.SIZE != 0) {
            throw new IllegalArgumentException("not 16 bits: " + value);
        }
        int at = extend(Short.BYTES);
        SHORTS.set(bytes, at, (short) value);
        return this;
    }

    /// Writes 32 bits.
    public BodyWriter u32(int value) {
        int at = extend(Integer.BYTES);
        INTS.set(bytes, at, value);
        return this;
    }

    /// Writes 64 bits.
    public BodyWriter u64(long value) {
        int at = extend(Long.BYTES);
        LONGS.set(bytes, at, value);
        return this;
    }

    /// Writes 64 bits for each value.
    public BodyWriter u64s(long[] values) {
        int at = extend((long) Long.BYTES * values.length);
        ByteBuffer.wrap(bytes)
                .order(ByteOrder.LITTLE_ENDIAN)
                .position(at)
                .asLongBuffer()
                .put(values);
        return this;
    }

    /// Writes a byte, 0 or 1.
    public BodyWriter bool(boolean value) {
        return u8(value ? 1 : 0);
    }

    /// Writes a length of 32 bits, then the bytes.
    public BodyWriter bytes(byte[] value) {
        u32(value.length);
        int at = extend(value.length);
        System.arraycopy(value, 0, bytes, at, value.length);
        return this;
    }

    /// Writes a text as its UTF-8 bytes.
    public BodyWriter string(String value) {
        return bytes(value.getBytes(StandardCharsets.UTF_8));
    }

    /// The bytes written so far.
    public byte[] toBytes() {
        return Arrays.copyOf(bytes, size);
    }

    /// Makes room for more bytes behind those that were written.
    ///
    /// @return where they begin
    private int extend(long more) {
        if (size + more > WireLimits.MAX_BODY_BYTES) {
            throw new IllegalStateException("state is larger than WireLimits.MAX_BODY_BYTES");
        }
        int at = size;
        size = Math.toIntExact(at + more);
        if (size > bytes.length) {
            bytes = Arrays.copyOf(bytes, Math.max(size, 2 * bytes.length));
        }
        return at;
    }
}
