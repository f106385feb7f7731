package io.xenemu.core.backend.nbd;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.xenemu.kvm.file.IoVectors;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;

/// The writes that a server has acknowledged and not flushed since, with their data: a server that dies may lose
/// them, and its successor gets them again. (qemu-nbd has new entries of qcow2's tables in its own memory until a
/// flush, so that even its data in the host's page cache cannot be found.)
///
/// Positions count the bytes that were ever written here. Memory comes in chunks, as it is needed. Not thread-safe.
final class WriteJournal implements AutoCloseable {
    /// Bytes of acknowledged writes for one disk. A quarter of a second of a fast disk, so that the flush at half of
    /// it ends before writers have to wait.
    static final long LIMIT = 16 << 20;

    private static final int CHUNK = 1 << 20;

    /// Chunks that are kept while they are empty.
    private static final int SPARE = 1;

    /// Offset, length, and command of an entry, before its data.
    private static final int HEADER = 3 * Long.BYTES;

    private static final long LENGTH = Long.BYTES;
    private static final long COMMAND = 2 * Long.BYTES;

    /// Less than this is left empty at a chunk's end.
    private static final int SMALLEST_PIECE = 512;

    /// Gets the entries of a replay.
    interface Visitor {
        /// Gets one entry.
        ///
        /// @param data the bytes of a write, empty for the other commands
        void entry(int command, long offset, long length, MemorySegment data) throws IOException;
    }

    private static final class Chunk {
        final Arena arena = Arena.ofShared();
        final MemorySegment memory = arena.allocate(CHUNK, Long.BYTES);
        int used;

        /// The position behind its last entry.
        long end;
    }

    private final ArrayDeque<Chunk> chunks = new ArrayDeque<>();
    private final ArrayDeque<Chunk> spare = new ArrayDeque<>();
    private long head;
    private long tail;
    private long reserved;

    /// Reserves room for a write that will be sent.
    ///
    /// @param data bytes of data, at most [#LIMIT]
    /// @return the reservation, for [#release]; -1 if there is no room before a flush
    long reserve(long data) {
        long bytes = data + HEADER;
        boolean isAlone = tail == head && reserved == 0;
        if (!isAlone && tail - head + reserved + bytes > LIMIT) {
            return -1;
        }
        reserved += bytes;
        return bytes;
    }

    /// Gives back a reservation, before [#append] or instead of it.
    void release(long reservation) {
        reserved -= reservation;
    }

    /// Adds a write, in the order of acknowledgement.
    ///
    /// @param at where its bytes begin in the data
    void append(long offset, IoVectors data, long at, long length) {
        for (long done = 0; done < length; ) {
            Chunk chunk = room(HEADER + SMALLEST_PIECE);
            int part = Math.toIntExact(Math.min(length - done, CHUNK - chunk.used - HEADER));
            header(chunk, NbdProtocol.CMD_WRITE, offset + done, part);
            data.copyOut(at + done, chunk.memory, chunk.used, part);
            advance(chunk, padded(part));
            done += part;
        }
    }

    /// Adds a command without data.
    void append(int command, long offset, long length) {
        header(room(HEADER), command, offset, length);
    }

    private void header(Chunk chunk, int command, long offset, long length) {
        chunk.memory.set(JAVA_LONG, chunk.used, offset);
        chunk.memory.set(JAVA_LONG, chunk.used + LENGTH, length);
        chunk.memory.set(JAVA_LONG, chunk.used + COMMAND, command);
        advance(chunk, HEADER);
    }

    private void advance(Chunk chunk, int bytes) {
        chunk.used += bytes;
        tail += bytes;
        chunk.end = tail;
    }

    private static int padded(int length) {
        return (length + Long.BYTES - 1) & -Long.BYTES;
    }

    private Chunk room(int bytes) {
        Chunk last = chunks.peekLast();
        if (last != null && CHUNK - last.used >= bytes) {
            return last;
        }
        Chunk chunk = spare.isEmpty() ? new Chunk() : spare.removeLast();
        chunk.used = 0;
        chunks.addLast(chunk);
        return chunk;
    }

    /// The position of the next entry.
    long tail() {
        return tail;
    }

    /// Bytes in the journal.
    long bytes() {
        return tail - head;
    }

    /// Forgets the entries before a position: they are durable. Memory is given back by whole chunks.
    void dropUntil(long position) {
        head = Math.max(head, position);
        for (Chunk first = chunks.peekFirst();
                first != null && first.end <= head;
                first = chunks.peekFirst()) {
            chunks.removeFirst();
            if (spare.size() < SPARE) {
                spare.addLast(first);
            } else {
                first.arena.close();
            }
        }
    }

    /// Passes all entries, the oldest first.
    void forEach(Visitor visitor) throws IOException {
        for (Chunk chunk : chunks) {
            long begin = chunk.end - chunk.used;
            int at = 0;
            while (at < chunk.used) {
                int entry = at;
                long length = chunk.memory.get(JAVA_LONG, at + LENGTH);
                int command = Math.toIntExact(chunk.memory.get(JAVA_LONG, at + COMMAND));
                int data = command == NbdProtocol.CMD_WRITE ? Math.toIntExact(length) : 0;
                at += HEADER + padded(data);
                if (begin + entry >= head) {
                    long offset = chunk.memory.get(JAVA_LONG, entry);
                    visitor.entry(
                            command,
                            offset,
                            length,
                            chunk.memory.asSlice(entry + (long) HEADER, data));
                }
            }
        }
    }

    @Override
    public void close() {
        chunks.forEach(chunk -> chunk.arena.close());
        spare.forEach(chunk -> chunk.arena.close());
        chunks.clear();
        spare.clear();
    }
}
