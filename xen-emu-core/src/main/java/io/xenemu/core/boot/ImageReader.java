package io.xenemu.core.boot;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/// Little-endian numbers out of a file that may be anything: each access is checked against the file's end.
final class ImageReader {
    private static final ValueLayout.OfShort U16 =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt U32 =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong U64 =
            ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final String name;
    private final MemorySegment content;

    ImageReader(String name, MemorySegment content) {
        this.name = name;
        this.content = content.asReadOnly();
    }

    String name() {
        return name;
    }

    long size() {
        return content.byteSize();
    }

    /// Whether the range is inside the file; offsets and lengths are unsigned.
    boolean has(long offset, long length) {
        return offset >= 0 && length >= 0 && offset <= size() && length <= size() - offset;
    }

    int u8(long offset) throws BootException {
        check(offset, 1);
        return Byte.toUnsignedInt(content.get(ValueLayout.JAVA_BYTE, offset));
    }

    int u16(long offset) throws BootException {
        check(offset, 2);
        return Short.toUnsignedInt(content.get(U16, offset));
    }

    long u32(long offset) throws BootException {
        check(offset, 4);
        return Integer.toUnsignedLong(content.get(U32, offset));
    }

    /// 64 bits; a value above 2^63 is negative and fails every range check that follows.
    long u64(long offset) throws BootException {
        check(offset, 8);
        return content.get(U64, offset);
    }

    MemorySegment slice(long offset, long length) throws BootException {
        check(offset, length);
        return content.asSlice(offset, length);
    }

    BootException bad(String why) {
        return new BootException(name + ": not a bzImage or PVH ELF image: " + why);
    }

    private void check(long offset, long length) throws BootException {
        if (!has(offset, length)) {
            throw bad("truncated, or an offset in it is wrong");
        }
    }
}
