package io.xenemu.core.boot;

import java.lang.foreign.MemorySegment;

/// The bytes of a file that a guest boots from, or of the unpacked contents of one. They are read when they are
/// needed. No file is mapped: touching a mapped file that has become shorter kills the process.
public interface BootContent {
    /// The number of bytes, as found when the file was opened.
    long size();

    /// Fills `into` with the bytes from `offset` on. The caller ensures that the range is within [#size].
    ///
    /// @throws BootException if they are not there any more, or cannot be read
    void read(long offset, MemorySegment into) throws BootException;

    /// Content that is in memory.
    static BootContent of(MemorySegment bytes) {
        return new InMemory(bytes);
    }

    /// A part of other content.
    ///
    /// @param offset its start
    /// @param length its length; the part is within `whole`
    static BootContent part(BootContent whole, long offset, long length) {
        return new Part(whole, offset, length);
    }

    /// See [#of].
    ///
    /// @param bytes all of the content
    record InMemory(MemorySegment bytes) implements BootContent {
        @Override
        public long size() {
            return bytes.byteSize();
        }

        @Override
        public void read(long offset, MemorySegment into) {
            MemorySegment.copy(bytes, offset, into, 0, into.byteSize());
        }
    }

    /// See [#part].
    ///
    /// @param whole the content that it is a part of
    /// @param offset its start
    /// @param size its length
    record Part(BootContent whole, long offset, long size) implements BootContent {
        @Override
        public void read(long at, MemorySegment into) throws BootException {
            whole.read(offset + at, into);
        }
    }
}
