package io.xenemu.core.boot;

import java.lang.foreign.MemorySegment;

/// The bytes of a file that a guest boots from, or of what was unpacked from one. They are read when they are needed and
/// nothing is mapped: touching a mapped file that has become shorter is a fault of the process.
public interface BootContent {
    /// How many there are, as found when the file was opened.
    long size();

    /// Fills `into` with the bytes from `offset` on. The range lies within [#size]; else it is a bug of the caller.
    ///
    /// @throws BootException when they are not there any more, or cannot be read
    void read(long offset, MemorySegment into) throws BootException;

    /// Bytes that are in memory.
    static BootContent of(MemorySegment bytes) {
        return new InMemory(bytes);
    }

    /// A part of other content.
    ///
    /// @param offset where it begins
    /// @param length how long it is; all of it lies within `whole`
    static BootContent part(BootContent whole, long offset, long length) {
        return new Part(whole, offset, length);
    }

    /// See [#of].
    ///
    /// @param bytes all of it
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
    /// @param whole what it is a part of
    /// @param offset where it begins
    /// @param size how long it is
    record Part(BootContent whole, long offset, long size) implements BootContent {
        @Override
        public void read(long at, MemorySegment into) throws BootException {
            whole.read(offset + at, into);
        }
    }
}
