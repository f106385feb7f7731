package io.xenemu.core.migration;

import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.WireException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.channels.ReadableByteChannel;
import java.security.MessageDigest;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/// Reads the sections of a stream, one at a time, into a buffer that the longest fits into. So a length that the stream
/// names never takes memory.
final class SectionReader implements AutoCloseable {
    private static final int BUFFER_BYTES =
            SaveFormat.SECTION_HEADER_BYTES + SaveFormat.MAX_PAGES_BYTES + SaveFormat.CRC_BYTES;

    private final ReadableByteChannel in;
    private final Arena arena = Arena.ofShared();
    private final Deque<ByteBuffer> free = new ArrayDeque<>();
    private ByteBuffer buffer = newBuffer();
    private final StreamAccount account = new StreamAccount();
    private @Nullable SectionType type;
    private int version;
    private int end;

    /// Starts by reading the stream's header.
    ///
    /// @param in the stream; the caller closes it
    /// @throws WireException if it is no saved guest, or one of a newer format
    SectionReader(ReadableByteChannel in) throws IOException {
        this.in = in;
        try {
            header();
        } catch (IOException | RuntimeException | Error e) {
            arena.close();
            throw e;
        }
    }

    private void header() throws IOException {
        fill(0, SaveFormat.HEADER_BYTES);
        if (buffer.getLong(0) != SaveFormat.MAGIC) {
            throw new WireException("not a saved guest");
        }
        int crcAt = SaveFormat.HEADER_BYTES - SaveFormat.CRC_BYTES;
        requireCrc(crcAt, "the header");
        int format = buffer.getInt(Long.BYTES);
        if (format != SaveFormat.FORMAT) {
            throw new WireException(
                    "a saved guest of format "
                            + Integer.toUnsignedString(format)
                            + ", which this program does not know");
        }
        account.header(buffer.clear().limit(SaveFormat.HEADER_BYTES));
    }

    /// Reads the next section, or stays at the one that [#next] read if that was not taken yet.
    ///
    /// @throws WireException if there is none, or it cannot be used
    SectionType peek() throws IOException {
        SectionType read = type;
        return read == null ? read() : read;
    }

    /// Reads the next section, and takes it. Its body stays until the next call.
    ///
    /// @param wanted the section that has to be there
    /// @throws WireException if there is another one, or it cannot be used
    void next(SectionType wanted) throws IOException {
        requireType(peek(), wanted);
        type = null;
    }

    private SectionType read() throws IOException {
        SectionType found = sectionHeader();
        fill(
                SaveFormat.SECTION_HEADER_BYTES,
                end - SaveFormat.SECTION_HEADER_BYTES + SaveFormat.CRC_BYTES);
        requireCrc(end, "section " + found.letters());
        if (found != SectionType.END) {
            account.section(buffer, 0, buffer.getInt(end));
        }
        type = found;
        return found;
    }

    /// Reads the next section's header.
    private SectionType sectionHeader() throws IOException {
        fill(0, SaveFormat.SECTION_HEADER_BYTES);
        SectionType found = SectionType.of(buffer.getInt(0));
        int length = buffer.getInt(2 * Integer.BYTES);
        if (Integer.compareUnsigned(length, found.maxBytes()) > 0) {
            throw new WireException(
                    "section %s: %s bytes are too many"
                            .formatted(found.letters(), Integer.toUnsignedString(length)));
        }
        version = buffer.getInt(Integer.BYTES);
        end = SaveFormat.SECTION_HEADER_BYTES + length;
        return found;
    }

    /// Goes past the next section. Its body is neither read nor checked.
    ///
    /// @param wanted the section that has to be there
    /// @param file the channel that this object reads
    /// @return the length of its body
    /// @throws WireException if there is another one, or it is cut off
    int skip(SectionType wanted, FileChannel file) throws IOException {
        SectionType found = sectionHeader();
        requireType(found, wanted);
        int length = end - SaveFormat.SECTION_HEADER_BYTES;
        file.position(file.position() + length);
        fill(end, SaveFormat.CRC_BYTES);
        account.section(buffer, 0, buffer.getInt(end));
        return length;
    }

    private static void requireType(SectionType found, SectionType wanted) throws WireException {
        if (found != wanted) {
            throw new WireException(
                    "section " + found.letters() + " where " + wanted.letters() + " has to be");
        }
    }

    private void requireCrc(int at, String what) throws WireException {
        CRC32C crc = new CRC32C();
        crc.update(buffer.clear().limit(at));
        buffer.clear();
        if (buffer.getInt(at) != (int) crc.getValue()) {
            throw new WireException(what + ": checksum is wrong");
        }
    }

    /// The version of the last section's body.
    int version() {
        return version;
    }

    /// Checks the version of the last section's body.
    void requireVersion(SectionType of) throws WireException {
        if (version != SaveFormat.VERSION) {
            throw WireException.unknownVersion("section " + of.letters() + ": its", version);
        }
    }

    /// The last section's body, in the reader's own buffer.
    ByteBuffer body() {
        return buffer.slice(SaveFormat.SECTION_HEADER_BYTES, end - SaveFormat.SECTION_HEADER_BYTES)
                .order(ByteOrder.LITTLE_ENDIAN);
    }

    /// Gives out the buffer that has the last section, until [#giveBack]. The next section comes into another one.
    ByteBuffer lend() {
        ByteBuffer lent = buffer;
        ByteBuffer next = free.poll();
        buffer = next == null ? newBuffer() : next;
        return lent;
    }

    /// Takes a buffer back.
    void giveBack(ByteBuffer lent) {
        free.add(lent);
    }

    private ByteBuffer newBuffer() {
        return arena.allocate(BUFFER_BYTES, Long.BYTES)
                .asByteBuffer()
                .order(ByteOrder.LITTLE_ENDIAN);
    }

    /// A copy of the last section's body.
    byte[] bytes() {
        byte[] bytes = new byte[end - SaveFormat.SECTION_HEADER_BYTES];
        body().get(bytes);
        return bytes;
    }

    /// Reads a copy of the last section's body.
    BodyReader fields() {
        return new BodyReader(bytes());
    }

    /// All sections so far but the last of the stream.
    StreamAccount account() {
        return account;
    }

    /// Reads the section that ends the stream, and checks that the stream is whole.
    ///
    /// @param guests that it has to have
    void end(int guests) throws IOException {
        next(SectionType.END);
        requireVersion(SectionType.END);
        BodyReader body = fields();
        int itsGuests = body.u32();
        long itsSections = body.u64();
        long itsBytes = body.u64();
        byte[] its = body.bytes(SaveFormat.SHA256_BYTES);
        body.end();
        if (itsGuests != guests
                || itsSections != account.sections()
                || itsBytes != account.bytes()
                || !MessageDigest.isEqual(its, account.digest())) {
            throw new WireException("its end is that of another saved guest");
        }
        // Its own body does not count it.
        account.section(buffer, 0, buffer.getInt(end));
    }

    /// Throws unless the stream has ended.
    void requireNoMore() throws IOException {
        buffer.clear().limit(1);
        if (in.read(buffer) >= 0) {
            throw new WireException("there is more after its end");
        }
    }

    private void fill(int at, int count) throws IOException {
        buffer.clear().limit(at + count).position(at);
        while (buffer.hasRemaining()) {
            if (in.read(buffer) < 0) {
                throw new WireException("the saved guest is cut off");
            }
        }
    }

    @Override
    public void close() {
        arena.close();
    }
}
