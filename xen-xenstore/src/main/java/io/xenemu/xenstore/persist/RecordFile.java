package io.xenemu.xenstore.persist;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.util.zip.CRC32C;

/// The layout of the file: a header (magic u64 "XENEMUSP", version u32, CRC32C u32 of both), then records, then zeros.
/// A record is a header and a body. The header is: magic u32 "XSRC", sequence u64, length u32, CRC32C u32 of the body,
/// CRC32C u32 of these four. The body has that length and does not begin with a zero. Sequences count from 1. All
/// numbers are little-endian.
///
/// A record is written only when the previous one is on the disk, so only the last one can be incomplete. The zeros
/// are reserved for later records, so that a full disk cannot take their room.
///
/// Thread-safe: one thread may reserve room while another writes.
final class RecordFile {
    static final int HEADER_BYTES = 16;
    static final int RECORD_HEADER_BYTES = 24;

    /// The most bytes of a record's body: some hundred thousand nodes. The record and its copy in a growing buffer
    /// fit into the daemon's heap together.
    static final int MAX_BODY_BYTES = 64 << 20;

    private static final long MAGIC = 0x5053554d454e4558L;
    private static final int VERSION = 1;
    static final int RECORD_MAGIC = 0x43525358;

    /// Bytes per write: the JDK first copies all that is offered out of the heap.
    private static final int WRITE_BYTES = 256 * 1024;

    private final FileChannel channel;
    private final ByteBuffer header = buffer(RECORD_HEADER_BYTES);
    private long sequence;
    // The end of the last record, and of the file if it has room after it.
    private long size;
    private long end;
    private boolean torn;

    private RecordFile(FileChannel channel) {
        this.channel = channel;
    }

    static ByteBuffer buffer(int size) {
        return ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
    }

    /// The file's header.
    static ByteBuffer header() {
        ByteBuffer header = buffer(HEADER_BYTES).putLong(MAGIC).putInt(VERSION);
        return header.putInt(crc(header.slice(0, header.position()))).flip();
    }

    /// A file in an empty channel. Its header is written with the first record or room.
    static RecordFile create(FileChannel channel) {
        return new RecordFile(channel);
    }

    /// A file that continues after its last record.
    ///
    /// @param contents the result of reading the channel
    static RecordFile resume(FileChannel channel, RecordReader.Contents contents) {
        RecordFile file = new RecordFile(channel);
        file.sequence = contents.sequence();
        file.size = contents.size();
        file.end = contents.size();
        file.torn = contents.fileSize() > contents.size();
        return file;
    }

    /// Bytes of the header and all records.
    synchronized long size() {
        return size;
    }

    /// Bytes of the file.
    synchronized long length() {
        return Math.max(size, end);
    }

    /// Bytes reserved for later records.
    synchronized long room() {
        return torn ? 0 : end - size;
    }

    FileChannel channel() {
        return channel;
    }

    /// Reserves room for records of so many bytes, headers included.
    ///
    /// @throws IOException if there is none; a part of it may have been reserved
    synchronized void makeRoom(long bytes) throws IOException {
        begin();
        ByteBuffer zeros = ByteBuffer.allocate(WRITE_BYTES);
        while (end < size + bytes) {
            int count = (int) Math.min(WRITE_BYTES, size + bytes - end);
            end += channel.write(zeros.clear().limit(count), end);
        }
    }

    /// Appends a record. It is on the disk after [FileChannel#force].
    ///
    /// @param body from its position to its limit
    /// @throws IOException if it does not fit; nothing has been appended then
    synchronized void append(ByteBuffer body) throws IOException {
        if (body.remaining() > MAX_BODY_BYTES) {
            throw new IOException("a change of " + body.remaining() + " bytes is too large");
        }
        begin();
        header.clear().putInt(RECORD_MAGIC).putLong(sequence + 1).putInt(body.remaining());
        header.putInt(crc(body.duplicate()));
        header.putInt(crc(header.slice(0, header.position()))).flip();
        torn = true;
        long at = write(body, write(header, size));
        torn = false;
        sequence++;
        size = at;
        end = Math.max(end, size);
    }

    /// Removes the remains of a failed write, and writes the file's header if it is missing.
    private void begin() throws IOException {
        if (torn) {
            channel.truncate(size);
            end = size;
            torn = false;
        }
        if (size < HEADER_BYTES) {
            torn = true;
            size = write(header(), 0);
            end = Math.max(end, size);
            torn = false;
        }
    }

    private long write(ByteBuffer bytes, long from) throws IOException {
        long at = from;
        int limit = bytes.limit();
        while (bytes.position() < limit) {
            bytes.limit(Math.min(limit, bytes.position() + WRITE_BYTES));
            at += channel.write(bytes, at);
        }
        return at;
    }

    /// Removes the room after the last record.
    synchronized void trim() throws IOException {
        channel.truncate(size);
        end = size;
        torn = false;
    }

    static int crc(ByteBuffer bytes) {
        CRC32C crc = new CRC32C();
        crc.update(bytes);
        return (int) crc.getValue();
    }
}
