package io.xenemu.xenstore.persist;

import static io.xenemu.xenstore.persist.RecordFile.HEADER_BYTES;
import static io.xenemu.xenstore.persist.RecordFile.RECORD_HEADER_BYTES;
import static io.xenemu.xenstore.persist.RecordFile.RECORD_MAGIC;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;

/// Reads the records of a [RecordFile], and distinguishes a write that was cut off from damage.
final class RecordReader {
    /// Bytes of the longest body that is read: more than [RecordFile#MAX_BODY_BYTES], which was once larger.
    private static final int MAX_BODY_BYTES = 256 << 20;

    /// The divisor of the heap for one body: its nodes take about as much again.
    private static final int HEAP_PARTS = 3;

    /// Bytes per read.
    private static final int READ_BYTES = 64 * 1024;

    /// The unit that a disk writes completely or not at all.
    private static final int SECTOR_BYTES = 512;

    private static final int SEQUENCE_AT = 4;
    private static final int LENGTH_AT = 12;
    private static final int BODY_CRC_AT = 16;
    private static final int HEADER_CRC_AT = 20;

    /// Receives the records of a file, in order.
    @FunctionalInterface
    interface Records {
        void record(byte[] body) throws IOException;
    }

    /// The contents of a file.
    ///
    /// @param size bytes up to the end of the last record
    /// @param sequence the last record's; 0 for none
    /// @param torn bytes after it of a write that was cut off, and so was never confirmed
    /// @param fileSize bytes of the file
    record Contents(long size, long sequence, long torn, long fileSize) {}

    /// The file is damaged in a way that no interrupted write can cause. Confirmed changes would be lost.
    static final class DamagedException extends IOException {
        private static final long serialVersionUID = 1L;

        DamagedException(long at, String what) {
            super("damaged at byte " + at + ": " + what);
        }
    }

    private final FileChannel channel;
    private final long end;
    private long at;
    private long last;

    private RecordReader(FileChannel channel) throws IOException {
        this.channel = channel;
        this.end = channel.size();
    }

    /// Reads all records.
    ///
    /// @param file the whole file
    /// @throws DamagedException if a record is damaged, unless it is the last one and was cut off
    static Contents read(FileChannel file, Records records) throws IOException {
        return new RecordReader(file).read(records);
    }

    private Contents read(Records records) throws IOException {
        ByteBuffer start = get(0, (int) Math.min(end, HEADER_BYTES));
        ByteBuffer expected = RecordFile.header();
        if (end < HEADER_BYTES) {
            expected.limit((int) end); // was cut off when it was made, or is an empty file
        }
        if (!start.equals(expected)) {
            throw new DamagedException(0, "not a file of this kind and version");
        }
        if (end < HEADER_BYTES) {
            return new Contents(0, 0, 0, end);
        }
        at = HEADER_BYTES;
        while (end - at >= RECORD_HEADER_BYTES) {
            ByteBuffer header = get(at, RECORD_HEADER_BYTES);
            if (!isHeader(header) || header.getLong(SEQUENCE_AT) != last + 1) {
                return contents(behindTheLast(header));
            }
            long next = at + RECORD_HEADER_BYTES + header.getInt(LENGTH_AT);
            if (next > end) {
                return contents(end - at);
            }
            byte[] body = body(header.getInt(LENGTH_AT));
            if (RecordFile.crc(ByteBuffer.wrap(body)) != header.getInt(BODY_CRC_AT)) {
                if (!isZero(next)) {
                    throw new DamagedException(at, "wrong checksum of a record");
                }
                return contents(end - at); // not all of it was on the disk
            }
            records.record(body);
            last++;
            at = next;
        }
        return contents(isZero(at) ? 0 : end - at);
    }

    private Contents contents(long torn) {
        return new Contents(at, last, torn, end);
    }

    private byte[] body(int length) throws IOException {
        if (length > MAX_BODY_BYTES) {
            throw new DamagedException(at, "a record that claims " + length + " bytes");
        }
        if (length > Runtime.getRuntime().maxMemory() / HEAP_PARTS) {
            throw new IOException(
                    "a record of " + length + " bytes at byte " + at + " needs a larger heap");
        }
        byte[] body = new byte[length];
        fill(ByteBuffer.wrap(body), at + RECORD_HEADER_BYTES);
        return body;
    }

    /// Classifies the bytes after the last record as reserved room, a torn write, or damage. Of a torn write the
    /// machine stored nothing, a part of the header, or the body without its header. An interrupted write has no later
    /// one after it.
    ///
    /// @return bytes of a write that was cut off
    private long behindTheLast(ByteBuffer header) throws IOException {
        if (isZero(at + RECORD_HEADER_BYTES)) {
            return isZero(at) ? 0 : end - at;
        }
        int whole = (int) Math.min(RECORD_HEADER_BYTES, SECTOR_BYTES - at % SECTOR_BYTES);
        boolean missing =
                isZero(header.slice(0, whole))
                        || (whole < RECORD_HEADER_BYTES
                                && isZero(header.slice(whole, RECORD_HEADER_BYTES - whole)));
        if (!missing) {
            throw new DamagedException(at, "no record");
        }
        if (hasLaterRecord()) {
            throw new DamagedException(at, "zeros in place of a record");
        }
        return end - at;
    }

    private boolean hasLaterRecord() throws IOException {
        long from = at + 1;
        while (end - from >= RECORD_HEADER_BYTES) {
            ByteBuffer window = get(from, (int) Math.min(READ_BYTES, end - from));
            int starts = window.limit() - RECORD_HEADER_BYTES + 1;
            for (int i = 0; i < starts; i++) {
                if (window.getInt(i) == RECORD_MAGIC && isLater(window, i)) {
                    return true;
                }
            }
            from += starts;
        }
        return false;
    }

    private boolean isLater(ByteBuffer window, int start) {
        ByteBuffer header = window.slice(start, RECORD_HEADER_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        return isHeader(header) && header.getLong(SEQUENCE_AT) > last + 1;
    }

    /// Whether the file contains only zeros from `start` on.
    private boolean isZero(long start) throws IOException {
        for (long from = start; from < end; from += READ_BYTES) {
            if (!isZero(get(from, (int) Math.min(READ_BYTES, end - from)))) {
                return false;
            }
        }
        return true;
    }

    private static boolean isZero(ByteBuffer bytes) {
        return bytes.equals(ByteBuffer.allocate(bytes.remaining()));
    }

    private static boolean isHeader(ByteBuffer header) {
        return header.getInt(0) == RECORD_MAGIC
                && header.getInt(LENGTH_AT) >= 0
                && header.getInt(HEADER_CRC_AT) == RecordFile.crc(header.slice(0, HEADER_CRC_AT));
    }

    private ByteBuffer get(long from, int length) throws IOException {
        return fill(RecordFile.buffer(length), from);
    }

    private ByteBuffer fill(ByteBuffer bytes, long from) throws IOException {
        int limit = bytes.limit();
        while (bytes.position() < limit) {
            bytes.limit(Math.min(limit, bytes.position() + READ_BYTES));
            if (channel.read(bytes, from + bytes.position()) < 0) {
                throw new DamagedException(from, "the file became shorter");
            }
        }
        return bytes.flip();
    }
}
