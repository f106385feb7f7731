package io.xenemu.core.device;

import com.google.common.primitives.Bytes;
import java.util.List;

/// The 16 bytes of a 16550A's receiver or transmitter.
final class SerialFifo {
    static final int SIZE = 16;

    private final byte[] bytes = new byte[SIZE];
    private int size;

    SerialFifo(List<Byte> content) {
        size = content.size();
        System.arraycopy(Bytes.toArray(content), 0, bytes, 0, size);
    }

    List<Byte> save() {
        return List.copyOf(Bytes.asList(bytes).subList(0, size));
    }

    int size() {
        return size;
    }

    void clear() {
        size = 0;
    }

    /// Adds a byte; false if there is no room.
    boolean add(int value) {
        if (size == SIZE) {
            return false;
        }
        bytes[size++] = (byte) value;
        return true;
    }

    /// Takes the oldest byte, or 0 if there is none.
    int remove() {
        if (size == 0) {
            return 0;
        }
        int value = Byte.toUnsignedInt(bytes[0]);
        drop(1);
        return value;
    }

    /// Gives as many bytes as `sink` takes.
    void drainTo(ByteSink sink) {
        if (size > 0) {
            drop(sink.offer(bytes, 0, size));
        }
    }

    /// Fills up to `limit` bytes in all; returns whether any arrived.
    boolean fillFrom(ByteSource source, int limit) {
        int given = size >= limit ? 0 : source.poll(bytes, size, limit - size);
        size += given;
        return given > 0;
    }

    private void drop(int count) {
        System.arraycopy(bytes, count, bytes, 0, size - count);
        size -= count;
    }
}
