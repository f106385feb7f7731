package io.xenemu.xenstore.persist;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.util.zip.CRC32C;

/// The layout of the file: a header (magic u64 "XENEMUSP", version u32, CRC32C u32 of both), then records. A record is a
/// header (magic u32 "XSRC", sequence u64, length u32, CRC32C u32 of the body, CRC32C u32 of these four) and a body of that
/// length; sequences count from 1. All numbers are little-endian.
///
/// A record is written when the one before is on the disk, so only the last one can be there in part.
final class RecordFile {
    static final int HEADER_BYTES = 16;
    static final int RECORD_HEADER_BYTES = 24;

    /// Bytes of a record's body: what one array holds. A change this large has exhausted the store's memory long before.
    static final int MAX_BODY_BYTES = 1 << 30;

    private static final long MAGIC = 0x5053554d454e4558L;
    private static final int VERSION = 1;
    private static final int RECORD_MAGIC = 0x43525358;

    private final FileChannel channel;
    private final ByteBuffer header = buffer(RECORD_HEADER_BYTES);
    private long sequence;
    private long size;

    /// Records are written to the channel at its position, from the first one on.
    private RecordFile(FileChannel channel) {
        this.channel = channel;
    }

    private static ByteBuffer buffer(int size) {
        return ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
    }

    /// The file's header.
    static ByteBuffer header() {
        ByteBuffer header = buffer(HEADER_BYTES).putLong(MAGIC).putInt(VERSION);
        return header.putInt(crc(header.slice(0, header.position()))).flip();
    }

    /// Starts a file in an empty channel.
    static RecordFile create(FileChannel channel) throws IOException {
        RecordFile file = new RecordFile(channel);
        file.write(header());
        return file;
    }

    /// Bytes written.
    long size() {
        return size;
    }

    FileChannel channel() {
        return channel;
    }

    /// Appends a record. It is on the disk after [FileChannel#force].
    ///
    /// @param body from its position to its limit
    /// @throws IOException if it does not fit; then a part of it may be there, and nothing must follow
    void append(ByteBuffer body) throws IOException {
        if (body.remaining() > MAX_BODY_BYTES) {
            throw new IOException("a change of " + body.remaining() + " bytes is too large");
        }
        header.clear().putInt(RECORD_MAGIC).putLong(++sequence).putInt(body.remaining());
        header.putInt(crc(body.duplicate()));
        header.putInt(crc(header.slice(0, header.position()))).flip();
        ByteBuffer[] parts = {header, body};
        while (body.hasRemaining() || header.hasRemaining()) {
            size += channel.write(parts);
        }
    }

    private void write(ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            size += channel.write(bytes);
        }
    }

    private static int crc(ByteBuffer bytes) {
        CRC32C crc = new CRC32C();
        crc.update(bytes);
        return (int) crc.getValue();
    }

    /// Receives the records of a file, in order.
    @FunctionalInterface
    interface Records {
        void record(byte[] body) throws IOException;
    }

    /// The file is damaged where it cannot be by a write that was cut off. What was acknowledged would be lost.
    static final class DamagedException extends IOException {
        private static final long serialVersionUID = 1L;

        DamagedException(long at, String what) {
            super("damaged at byte " + at + ": " + what);
        }
    }

    /// Reads all records.
    ///
    /// @param bytes the whole file, at its start
    /// @return bytes at the end that belong to a write that was cut off, and so never was acknowledged
    /// @throws DamagedException if any record but such a last one is damaged
    static long read(FileChannel bytes, Records records) throws IOException {
        return new Reader(bytes).read(records);
    }

    private static final class Reader {
        private final FileChannel channel;
        private final long end;
        private long at;
        private long last;

        Reader(FileChannel channel) throws IOException {
            this.channel = channel;
            this.end = channel.size();
        }

        long read(Records records) throws IOException {
            ByteBuffer start = get(0, (int) Math.min(end, HEADER_BYTES));
            ByteBuffer expected = header();
            if (end < HEADER_BYTES) {
                expected.limit((int) end); // was cut off when it was made, or is an empty file
            }
            if (!start.equals(expected)) {
                throw new DamagedException(0, "not a file of this kind and version");
            }
            at = Math.min(end, HEADER_BYTES);
            while (end - at >= RECORD_HEADER_BYTES) {
                ByteBuffer header = get(at, RECORD_HEADER_BYTES);
                if (!isHeader(header) || header.getLong(4) != last + 1) {
                    return tornHeader(header);
                }
                int length = header.getInt(12);
                long next = at + RECORD_HEADER_BYTES + length;
                if (next > end) {
                    return end - at;
                }
                byte[] body = new byte[length];
                fill(ByteBuffer.wrap(body), at + RECORD_HEADER_BYTES);
                if (crc(ByteBuffer.wrap(body)) != header.getInt(16)) {
                    if (next < end) {
                        throw new DamagedException(at, "wrong checksum of a record");
                    }
                    return end - at; // the machine has stopped when not all of it was on the disk
                }
                records.record(body);
                last++;
                at = next;
            }
            return end - at;
        }

        /// The disk may have got the file's new length and none of the header before the machine stopped. Anything else
        /// is damage.
        private long tornHeader(ByteBuffer header) throws IOException {
            if (!header.equals(buffer(RECORD_HEADER_BYTES))) {
                throw new DamagedException(at, "no record");
            }
            for (long from = at + 1; end - from >= RECORD_HEADER_BYTES; from++) {
                ByteBuffer later = get(from, RECORD_HEADER_BYTES);
                if (isHeader(later) && later.getLong(4) > last + 1) {
                    throw new DamagedException(at, "zeros in place of a record");
                }
            }
            return end - at;
        }

        private static boolean isHeader(ByteBuffer header) {
            int body = RECORD_HEADER_BYTES - Integer.BYTES;
            return header.getInt(0) == RECORD_MAGIC
                    && header.getInt(12) >= 0
                    && header.getInt(12) <= MAX_BODY_BYTES
                    && header.getInt(body) == crc(header.slice(0, body));
        }

        private ByteBuffer get(long from, int length) throws IOException {
            return fill(buffer(length), from);
        }

        private ByteBuffer fill(ByteBuffer bytes, long from) throws IOException {
            while (bytes.hasRemaining()) {
                if (channel.read(bytes, from + bytes.position()) < 0) {
                    throw new DamagedException(from, "the file became shorter");
                }
            }
            return bytes.flip();
        }
    }
}
