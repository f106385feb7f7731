package io.xenemu.core.backend.p9;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import io.xenemu.kvm.abi.Errno;
import java.lang.foreign.MemorySegment;

/// Reads one request, which is in private memory, from its front. A field beyond the request's end is EINVAL.
final class P9Reader {
    /// Bytes of size, type and tag.
    static final int HEADER = 7;

    /// The longest name of a file (`NAME_MAX`).
    static final int NAME_MAX = 255;

    private MemorySegment message = MemorySegment.NULL;
    private int size;
    private int at;

    /// Starts behind the header of a request.
    void start(MemorySegment message, int size) {
        this.message = message;
        this.size = size;
        at = HEADER;
    }

    private int take(int bytes) throws P9Error {
        if (bytes > size - at) {
            throw P9Error.of(Errno.EINVAL);
        }
        int from = at;
        at += bytes;
        return from;
    }

    int u8() throws P9Error {
        return Byte.toUnsignedInt(message.get(JAVA_BYTE, take(1)));
    }

    int u16() throws P9Error {
        return Short.toUnsignedInt(message.get(JAVA_SHORT_UNALIGNED, take(2)));
    }

    /// 32 bits, unsigned.
    int u32() throws P9Error {
        return message.get(JAVA_INT_UNALIGNED, take(4));
    }

    /// 64 bits, unsigned.
    long u64() throws P9Error {
        return message.get(JAVA_LONG_UNALIGNED, take(8));
    }

    /// Bytes not read yet.
    int left() {
        return size - at;
    }

    /// 32 bits at a place behind the header, without going on; 0 beyond the request's end.
    int peek32(int offset) {
        return HEADER + offset + 4 > size
                ? 0
                : message.get(JAVA_INT_UNALIGNED, (long) HEADER + offset);
    }

    /// The rest of the request from the present place.
    ///
    /// @param count bytes that must be there
    MemorySegment data(int count) throws P9Error {
        if (count < 0) {
            throw P9Error.of(Errno.EINVAL);
        }
        return message.asSlice(take(count), count);
    }

    /// Copies a string, and ends it as a C string.
    ///
    /// @param to has room for `max` bytes and the end
    /// @return bytes
    int string(MemorySegment to, int max) throws P9Error {
        int length = u16();
        int from = take(length);
        if (length > max) {
            throw P9Error.of(Errno.ENAMETOOLONG);
        }
        for (int i = 0; i < length; i++) {
            byte one = message.get(JAVA_BYTE, (long) from + i);
            if (one == 0) {
                throw P9Error.of(Errno.EINVAL);
            }
            to.set(JAVA_BYTE, i, one);
        }
        to.set(JAVA_BYTE, length, (byte) 0);
        return length;
    }

    /// Copies a name of one file in one directory: not empty, without `/` and NUL, not `.` or `..`.
    MemorySegment name(MemorySegment to) throws P9Error {
        int length = string(to, NAME_MAX);
        boolean dots = length <= 2;
        for (int i = 0; i < length; i++) {
            byte one = to.get(JAVA_BYTE, i);
            if (one == '/') {
                throw P9Error.of(Errno.EINVAL);
            }
            dots &= one == '.';
        }
        if (dots) {
            throw P9Error.of(Errno.EINVAL);
        }
        return to;
    }

    /// Goes over a string.
    ///
    /// @return bytes
    int skipString() throws P9Error {
        int length = u16();
        take(length);
        return length;
    }

    /// Whether the string that was just gone over has these bytes.
    boolean endsWith(byte[] expected, int length) {
        boolean same = length == expected.length;
        for (int i = 0; same && i < length; i++) {
            same = message.get(JAVA_BYTE, (long) at - length + i) == expected[i];
        }
        return same;
    }
}
