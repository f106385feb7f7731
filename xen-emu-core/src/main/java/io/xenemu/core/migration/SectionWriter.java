package io.xenemu.core.migration;

import io.xenemu.kvm.wire.BodyWriter;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.WritableByteChannel;
import java.util.zip.CRC32C;

/// Writes the sections of a stream, each with its checksum, and keeps the account that the last one has.
final class SectionWriter {
    /// Where a section's header has the length of its body.
    private static final int LENGTH = 2 * Integer.BYTES;

    private final WritableByteChannel out;
    private final StreamAccount account = new StreamAccount();

    /// Starts a stream by writing its header.
    SectionWriter(WritableByteChannel out) throws IOException {
        this.out = out;
        ByteBuffer header =
                littleEndian(SaveFormat.HEADER_BYTES)
                        .putLong(SaveFormat.MAGIC)
                        .putInt(SaveFormat.FORMAT);
        header.putInt(crc(header.duplicate().flip())).flip();
        account.header(header);
        writeAll(header);
    }

    /// Writes a section.
    void write(SectionType type, int version, BodyWriter body) throws IOException {
        byte[] bytes = body.toBytes();
        ByteBuffer section =
                littleEndian(SaveFormat.SECTION_HEADER_BYTES + bytes.length + SaveFormat.CRC_BYTES);
        section.position(SaveFormat.SECTION_HEADER_BYTES);
        section.put(bytes);
        write(type, version, section, 0, section.position());
    }

    /// Writes a section whose body is in a buffer already. [#seal] has the parameters.
    void write(SectionType type, int version, ByteBuffer in, int from, int end) throws IOException {
        seal(type, version, in, from, end);
        writeSealed(in, from);
    }

    /// Puts a section's header before its body, and its checksum behind it: there is room for both. Any thread may do
    /// that.
    ///
    /// @param from where the header has its room
    /// @param end of the body
    static void seal(SectionType type, int version, ByteBuffer in, int from, int end) {
        int length = end - from - SaveFormat.SECTION_HEADER_BYTES;
        if (length > type.maxBytes()) {
            throw new IllegalStateException(length + " bytes for section " + type.letters());
        }
        in.clear();
        in.putInt(from, type.code());
        in.putInt(from + Integer.BYTES, version);
        in.putInt(from + LENGTH, length);
        int crc = crc(in.limit(end).position(from));
        in.clear();
        in.putInt(end, crc);
    }

    /// Writes a section that is sealed.
    ///
    /// @param from where its header is
    void writeSealed(ByteBuffer in, int from) throws IOException {
        int end = from + SaveFormat.SECTION_HEADER_BYTES + in.getInt(from + LENGTH);
        account.section(in, from, in.getInt(end));
        writeAll(in.clear().limit(end + SaveFormat.CRC_BYTES).position(from));
    }

    /// Ends the stream.
    ///
    /// @param guests that it has
    void end(int guests) throws IOException {
        BodyWriter body = new BodyWriter().u32(guests).u64(account.sections()).u64(account.bytes());
        write(SectionType.END, SaveFormat.VERSION, body.bytes(account.digest()));
    }

    /// The sections so far.
    StreamAccount account() {
        return account;
    }

    private void writeAll(ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            out.write(bytes);
        }
    }

    private static int crc(ByteBuffer bytes) {
        CRC32C crc = new CRC32C();
        crc.update(bytes);
        return (int) crc.getValue();
    }

    private static ByteBuffer littleEndian(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }
}
