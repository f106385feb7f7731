package io.xenemu.core.backend.p9;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import java.lang.foreign.MemorySegment;

/// Writes one answer into private memory, from its front. An answer that does not fit is our bug: each request's
/// answer has a bound that is checked before ([P9Server#answerBound]).
final class P9Writer {
    private MemorySegment message = MemorySegment.NULL;
    private int at;

    /// Starts behind the header of an answer.
    void start(MemorySegment message) {
        this.message = message;
        at = P9Reader.HEADER;
    }

    void u8(int value) {
        message.set(JAVA_BYTE, at, (byte) value);
        at += 1;
    }

    void u16(int value) {
        message.set(JAVA_SHORT_UNALIGNED, at, (short) value);
        at += 2;
    }

    void u32(int value) {
        message.set(JAVA_INT_UNALIGNED, at, value);
        at += 4;
    }

    void u64(long value) {
        message.set(JAVA_LONG_UNALIGNED, at, value);
        at += 8;
    }

    /// A file's identity to the guest.
    ///
    /// @param mode gives the type: directory, symbolic link or other
    /// @param path unique among the share's files
    void qid(int mode, long path) {
        u8(P9Qid.type(mode));
        u32(0);
        u64(path);
    }

    /// Copies bytes.
    void bytes(MemorySegment from, int count) {
        MemorySegment.copy(from, 0, message, at, count);
        at += count;
    }

    /// Room for bytes that the caller writes, from the present place.
    MemorySegment room(int offset, int count) {
        return message.asSlice((long) at + offset, count);
    }

    /// Goes over bytes that the caller has written.
    void skip(int count) {
        at += count;
    }

    /// The present place, for [#patch32].
    int at() {
        return at;
    }

    /// Writes a number at an earlier place.
    void patch32(int offset, int value) {
        message.set(JAVA_INT_UNALIGNED, offset, value);
    }

    /// Writes a number at an earlier place.
    void patch16(int offset, int value) {
        message.set(JAVA_SHORT_UNALIGNED, offset, (short) value);
    }

    MemorySegment message() {
        return message;
    }

    /// Writes the header.
    ///
    /// @return bytes of the whole answer
    int end(int type, int tag) {
        message.set(JAVA_INT_UNALIGNED, 0, at);
        message.set(JAVA_BYTE, 4, (byte) type);
        message.set(JAVA_SHORT_UNALIGNED, 5, (short) tag);
        return at;
    }
}
