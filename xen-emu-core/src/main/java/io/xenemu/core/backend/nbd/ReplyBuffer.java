package io.xenemu.core.backend.nbd;

import io.xenemu.kvm.file.IoVectors;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// Reads a server's bytes. Headers and short data come through a buffer, so that many replies need one system call;
/// long data goes straight to its place, and whatever follows it into the buffer. Belongs to one thread.
final class ReplyBuffer {
    /// A few replies with a block of 4 KiB each; more would make a long read be copied.
    private static final int BYTES = 16 * 1024;

    private final NbdInput input;
    private final MemorySegment memory;
    private final IoVectors room;
    private int position;
    private int limit;

    ReplyBuffer(Arena arena, NbdInput input) {
        this.input = input;
        this.memory = arena.allocate(BYTES, Long.BYTES);
        this.room = new IoVectors(arena, IoVectors.MAX_COUNT);
    }

    /// Waits until so many bytes are in the buffer.
    ///
    /// @param bytes few, a header's
    void require(int bytes) throws IOException {
        if (limit - position >= bytes) {
            return;
        }
        MemorySegment.copy(memory, position, memory, 0, limit - position);
        limit -= position;
        position = 0;
        while (limit < bytes) {
            room.clear();
            room.add(memory.address() + limit, BYTES - limit);
            limit += Math.toIntExact(receive());
        }
    }

    int peekInt() throws IOException {
        require(Integer.BYTES);
        return memory.get(NbdProtocol.BE_32, position);
    }

    int nextUnsignedShort() throws IOException {
        require(Short.BYTES);
        position += Short.BYTES;
        return Short.toUnsignedInt(memory.get(NbdProtocol.BE_16, position - Short.BYTES));
    }

    int nextInt() throws IOException {
        require(Integer.BYTES);
        position += Integer.BYTES;
        return memory.get(NbdProtocol.BE_32, position - Integer.BYTES);
    }

    long nextUnsignedInt() throws IOException {
        return Integer.toUnsignedLong(nextInt());
    }

    long nextLong() throws IOException {
        require(Long.BYTES);
        position += Long.BYTES;
        return memory.get(NbdProtocol.BE_64, position - Long.BYTES);
    }

    /// Reads text of at most a buffer's length.
    byte[] nextBytes(int count) throws IOException {
        require(count);
        byte[] bytes = new byte[count];
        MemorySegment.copy(memory, ValueLayout.JAVA_BYTE, position, bytes, 0, count);
        position += count;
        return bytes;
    }

    /// Leaves out bytes.
    void skip(long count) throws IOException {
        long left = count;
        while (left > 0) {
            require(1);
            int part = Math.toIntExact(Math.min(left, limit - position));
            position += part;
            left -= part;
        }
    }

    /// Reads data into a part of a vector, of at most [NbdRequest#MOST_PIECES] pieces.
    void copyTo(IoVectors target, long at, long count) throws IOException {
        int buffered = Math.toIntExact(Math.min(count, limit - position));
        target.copyIn(at, memory, position, buffered);
        position += buffered;
        long done = buffered;
        while (done < count) {
            // The buffer is empty here.
            room.clear();
            room.addPart(target, at + done, count - done);
            room.add(memory.address(), BYTES);
            long received = receive();
            long data = Math.min(received, count - done);
            position = 0;
            limit = Math.toIntExact(received - data);
            done += data;
        }
    }

    private long receive() throws IOException {
        long received = input.receive(room);
        if (received <= 0) {
            throw new NbdException("the NBD server closed the connection");
        }
        return received;
    }
}
