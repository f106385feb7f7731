package io.xenemu.core.boot;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.HashMap;
import java.util.Map;

/// Guest memory that exists only where it was written to, and that refuses writes outside of a memory map.
final class PagedMemory implements BootMemory {
    private static final int PAGE = 4096;

    private final GuestMemoryMap map;
    private final Map<Long, byte[]> pages = new HashMap<>();

    PagedMemory(GuestMemoryMap map) {
        this.map = map;
    }

    @Override
    public void write(long gpa, MemorySegment source) {
        long size = source.byteSize();
        if (map.slots().stream()
                .noneMatch(slot ->
                        gpa >= slot.start() && gpa + size <= slot.start() + slot.length())) {
            throw new IllegalArgumentException("%x..%x".formatted(gpa, gpa + size));
        }
        for (long done = 0; done < size; ) {
            int at = (int) ((gpa + done) % PAGE);
            int count = (int) Math.min(size - done, PAGE - at);
            MemorySegment.copy(source, ValueLayout.JAVA_BYTE, done, page(gpa + done), at, count);
            done += count;
        }
    }

    byte[] read(long gpa, int size) {
        var bytes = new byte[size];
        for (int i = 0; i < size; i++) {
            bytes[i] = page(gpa + i)[(int) ((gpa + i) % PAGE)];
        }
        return bytes;
    }

    ByteBuffer at(long gpa, int size) {
        return ByteBuffer.wrap(read(gpa, size)).order(ByteOrder.LITTLE_ENDIAN);
    }

    /// A text up to its final zero.
    String text(long gpa) {
        var text = new StringBuilder();
        for (byte b = read(gpa, 1)[0]; b != 0; b = read(gpa + text.length(), 1)[0]) {
            text.append((char) b);
        }
        return text.toString();
    }

    private byte[] page(long gpa) {
        return pages.computeIfAbsent(gpa / PAGE, number -> new byte[PAGE]);
    }
}
