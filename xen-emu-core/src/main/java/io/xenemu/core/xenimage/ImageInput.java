package io.xenemu.core.xenimage;

import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.WireException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.ReadableByteChannel;

/// The bytes of an image, from the beginning to the end.
final class ImageInput {
    /// The longest body of a record, as in libxc (`REC_LENGTH_MAX`).
    static final int MAX_RECORD = 8 << 20;

    /// The bodies of records begin at multiples of this.
    private static final int ALIGNMENT = 8;

    private final ReadableByteChannel in;
    private ByteBuffer buffer = littleEndian(1 << 10);
    private long bytes;

    ImageInput(ReadableByteChannel in) {
        this.in = in;
    }

    private static ByteBuffer littleEndian(int capacity) {
        return ByteBuffer.allocate(capacity).order(ByteOrder.LITTLE_ENDIAN);
    }

    /// The number of bytes that were read.
    long bytes() {
        return bytes;
    }

    /// Reads some bytes, little-endian, into a buffer that the next call uses again.
    ///
    /// @param length at most [#MAX_RECORD]
    /// @throws WireException if there are fewer
    ByteBuffer take(int length) throws IOException {
        if (length > buffer.capacity()) {
            buffer = littleEndian(length);
        }
        buffer.clear().limit(length);
        while (buffer.hasRemaining()) {
            if (in.read(buffer) < 0) {
                throw new WireException("the image is cut off");
            }
        }
        bytes += length;
        return buffer.flip();
    }

    /// Reads some bytes of a header. Its numbers have the other byte order.
    ByteBuffer takeBigEndian(int length) throws IOException {
        return take(length).slice().order(ByteOrder.BIG_ENDIAN);
    }

    /// Reads the length of a record's body.
    ///
    /// @throws WireException if no record is that long
    int length() throws IOException {
        int length = take(Integer.BYTES).getInt();
        if (Integer.compareUnsigned(length, MAX_RECORD) > 0) {
            throw new WireException(
                    "a record of " + Integer.toUnsignedString(length) + " bytes is too long");
        }
        return length;
    }

    /// Reads the body of a record, and what fills it up.
    ByteBuffer body(int length) throws IOException {
        int padded = (length + ALIGNMENT - 1) & -ALIGNMENT;
        return take(padded).limit(length);
    }

    /// Reads a copy of a record's body.
    BodyReader fields(int length) throws IOException {
        byte[] copy = new byte[length];
        body(length).get(copy);
        return new BodyReader(copy);
    }

    /// Throws unless the image has ended.
    void requireNoMore() throws IOException {
        buffer.clear().limit(1);
        if (in.read(buffer) >= 0) {
            throw new WireException("there is more after its end");
        }
    }
}
