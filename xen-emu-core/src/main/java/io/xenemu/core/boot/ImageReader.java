package io.xenemu.core.boot;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/// Reads little-endian numbers from a file of any content: each access is checked against the file's end. The last
/// bytes read are kept, so that neighbouring values cost no further read.
final class ImageReader {
    private static final ValueLayout.OfShort U16 =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt U32 =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong U64 =
            ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /// Bytes per read; headers and notes are usually in one or two such pieces.
    private static final int WINDOW = 4096;

    private final String name;
    private final BootContent content;
    private final byte[] window = new byte[WINDOW];
    private long windowStart;
    private long windowEnd;

    ImageReader(String name, BootContent content) {
        this.name = name;
        this.content = content;
    }

    String name() {
        return name;
    }

    long size() {
        return content.size();
    }

    /// Whether the range is inside the file; offsets and lengths are unsigned.
    boolean has(long offset, long length) {
        return offset >= 0 && length >= 0 && offset <= size() && length <= size() - offset;
    }

    int u8(long offset) throws BootException {
        return Byte.toUnsignedInt(at(offset, 1).get(ValueLayout.JAVA_BYTE, 0));
    }

    int u16(long offset) throws BootException {
        return Short.toUnsignedInt(at(offset, 2).get(U16, 0));
    }

    long u32(long offset) throws BootException {
        return Integer.toUnsignedLong(at(offset, 4).get(U32, 0));
    }

    /// 64 bits; a value above 2^63 is negative and fails every range check that follows.
    long u64(long offset) throws BootException {
        return at(offset, 8).get(U64, 0);
    }

    /// A part of the file, which is not read yet.
    BootContent part(long offset, long length) throws BootException {
        check(offset, length);
        return BootContent.part(content, offset, length);
    }

    /// A small part of the file.
    byte[] bytes(long offset, int length) throws BootException {
        check(offset, length);
        var bytes = new byte[length];
        content.read(offset, MemorySegment.ofArray(bytes));
        return bytes;
    }

    BootException bad(String why) {
        return new BootException(name + ": not a bzImage or PVH ELF image: " + why);
    }

    private MemorySegment at(long offset, int length) throws BootException {
        check(offset, length);
        if (offset < windowStart || offset + length > windowEnd) {
            long count = Math.min(WINDOW, size() - offset);
            windowEnd = 0;
            content.read(offset, MemorySegment.ofArray(window).asSlice(0, count));
            windowStart = offset;
            windowEnd = offset + count;
        }
        return MemorySegment.ofArray(window).asSlice(offset - windowStart, length);
    }

    private void check(long offset, long length) throws BootException {
        if (!has(offset, length)) {
            throw bad("truncated, or an offset in it is wrong");
        }
    }
}
