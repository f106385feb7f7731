package io.xenemu.kvm.wire;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

/// Reads the body of a frame, little-endian, front to back. For any bytes, it returns a value or throws
/// [WireException], and allocates no more than there are bytes.
public final class BodyReader {
    private final ByteBuffer body;

    /// @param body the whole body; used without copying
    public BodyReader(byte[] body) {
        this.body = ByteBuffer.wrap(body).order(ByteOrder.LITTLE_ENDIAN);
    }

    /// Reads 8 bits, unsigned.
    public int u8() throws WireException {
        return Byte.toUnsignedInt(need(Byte.BYTES).get());
    }

    /// Reads 16 bits, unsigned.
    public int u16() throws WireException {
        return Short.toUnsignedInt(need(Short.BYTES).getShort());
    }

    /// Reads 32 bits.
    public int u32() throws WireException {
        return need(Integer.BYTES).getInt();
    }

    /// Reads 64 bits.
    public long u64() throws WireException {
        return need(Long.BYTES).getLong();
    }

    /// Reads 64 bits for each of `count` values.
    public long[] u64s(int count) throws WireException {
        ByteBuffer source = need(Math.multiplyExact(count, Long.BYTES));
        long[] values = new long[count];
        source.asLongBuffer().get(values);
        source.position(source.position() + count * Long.BYTES);
        return values;
    }

    /// Reads a byte that is 0 or 1.
    public boolean bool() throws WireException {
        int value = u8();
        if (value > 1) {
            throw new WireException("neither true nor false: " + value);
        }
        return value == 1;
    }

    /// Reads the number of elements that follow.
    ///
    /// @param max the most elements allowed
    public int count(int max) throws WireException {
        int count = u32();
        if (Integer.compareUnsigned(count, max) > 0) {
            throw new WireException(
                    Integer.toUnsignedString(count) + " elements where at most " + max + " may be");
        }
        return count;
    }

    /// Reads a length of 32 bits, then the bytes.
    ///
    /// @param max the most bytes allowed
    public byte[] bytes(int max) throws WireException {
        int length = count(max);
        ByteBuffer source = need(length);
        byte[] value = new byte[length];
        source.get(value);
        return value;
    }

    /// Reads a text.
    ///
    /// @param max the most bytes allowed
    public String string(int max) throws WireException {
        byte[] utf8 = bytes(max);
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(utf8)).toString();
        } catch (CharacterCodingException e) {
            throw new WireException("text is not UTF-8", e);
        }
    }

    /// The number of bytes not read yet.
    public int remaining() {
        return body.remaining();
    }

    /// Leaves out what was not read yet, for a reader that is interested in the length alone.
    public void skipAll() {
        body.position(body.limit());
    }

    /// Throws unless everything was read: bytes left over are state that would be lost.
    public void end() throws WireException {
        if (body.hasRemaining()) {
            throw new WireException(body.remaining() + " bytes left over");
        }
    }

    private ByteBuffer need(int length) throws WireException {
        if (length > body.remaining()) {
            throw new WireException(
                    "needs " + length + " bytes, but " + body.remaining() + " are left");
        }
        return body;
    }
}
