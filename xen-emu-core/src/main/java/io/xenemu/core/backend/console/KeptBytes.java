package io.xenemu.core.backend.console;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// Bytes that wait for their taker, in native memory: a bounded queue. It has a page of memory while there is little,
/// and grows up to its limit. For one thread at a time.
final class KeptBytes implements AutoCloseable {
    static final int LEAST_CAPACITY = 4096;

    /// Memory above this is given back when the queue is empty.
    private static final int SPARE_CAPACITY = 64 << 10;

    private final int limit;
    private Arena arena = Arena.ofShared();
    private MemorySegment ring = arena.allocate(LEAST_CAPACITY);
    private int head;

    private int bytes;

    /// The same, for the meter.
    private volatile int shown;

    /// @param limit the most bytes, [#LEAST_CAPACITY] or more
    KeptBytes(int limit) {
        this.limit = limit;
    }

    /// The bytes in it.
    int bytes() {
        return bytes;
    }

    /// The bytes in it when it last changed. Any thread.
    int shown() {
        return shown;
    }

    /// The bytes that it takes beside those.
    int room() {
        return limit - bytes;
    }

    private int capacity() {
        return (int) ring.byteSize();
    }

    /// Adds bytes at the end.
    ///
    /// @param length at most [#room]
    void add(byte[] from, int offset, int length) {
        if (length > room()) {
            throw new IllegalArgumentException(length + " bytes, and room for " + room());
        }
        if (bytes + length > capacity()) {
            move((int) Math.min(limit, Math.max(2L * capacity(), bytes + length)));
        }
        int at = wrapped(head + bytes);
        int first = Math.min(length, capacity() - at);
        MemorySegment.copy(from, offset, ring, JAVA_BYTE, at, first);
        MemorySegment.copy(from, offset + first, ring, JAVA_BYTE, 0, length - first);
        bytes += length;
        shown = bytes;
    }

    private int wrapped(int index) {
        return index >= capacity() ? index - capacity() : index;
    }

    /// Moves everything into other memory.
    private void move(int capacity) {
        Arena next = Arena.ofShared();
        MemorySegment to = next.allocate(capacity);
        int kept = bytes;
        copy(to, kept);
        arena.close();
        arena = next;
        ring = to;
        head = 0;
    }

    /// Copies the oldest bytes, which stay.
    ///
    /// @param count at most [#bytes]
    void copy(MemorySegment to, int count) {
        int first = Math.min(count, capacity() - head);
        MemorySegment.copy(ring, head, to, 0, first);
        MemorySegment.copy(ring, 0, to, first, count - first);
    }

    /// The newest bytes, which stay.
    ///
    /// @param most the most of them
    byte[] newest(int most) {
        byte[] newest = new byte[Math.min(most, bytes)];
        int at = wrapped(head + bytes - newest.length);
        int first = Math.min(newest.length, capacity() - at);
        MemorySegment.copy(ring, JAVA_BYTE, at, newest, 0, first);
        MemorySegment.copy(ring, JAVA_BYTE, 0, newest, first, newest.length - first);
        return newest;
    }

    /// Removes the oldest bytes.
    ///
    /// @param count at most [#bytes]
    void remove(int count) {
        head = wrapped(head + count);
        bytes -= count;
        shown = bytes;
        if (bytes == 0 && capacity() > SPARE_CAPACITY) {
            move(LEAST_CAPACITY);
        }
    }

    @Override
    public void close() {
        arena.close();
    }
}
