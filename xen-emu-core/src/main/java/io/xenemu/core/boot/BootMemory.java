package io.xenemu.core.boot;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// The guest's memory before its first instruction. It is new, so bytes that are not written read as zero; `.bss` and
/// unused table fields rely on that.
@FunctionalInterface
public interface BootMemory {
    /// Bytes per piece when copying; a piece stays in the CPU's cache between the file and the guest.
    int PIECE = 256 << 10;

    /// Copies all of `source` to the guest-physical address `gpa`. The caller ensures that the range is within the
    /// slots of the domain's [GuestMemoryMap].
    void write(long gpa, MemorySegment source);

    /// Copies all of `source` to `gpa`.
    default void write(long gpa, byte[] source) {
        write(gpa, MemorySegment.ofArray(source));
    }

    /// Copies all of `source` to `gpa`.
    ///
    /// @throws BootException if it cannot be read
    default void write(long gpa, BootContent source) throws BootException {
        if (source.size() == 0) {
            return;
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment buffer = arena.allocate(Math.min(PIECE, source.size()));
            for (long done = 0; done < source.size(); ) {
                MemorySegment piece =
                        buffer.asSlice(0, Math.min(buffer.byteSize(), source.size() - done));
                source.read(done, piece);
                write(gpa + done, piece);
                done += piece.byteSize();
            }
        }
    }

    /// Memory that ignores all writes and reads no source, for a check whether a guest's files can be loaded.
    static BootMemory ofNoGuest() {
        return new BootMemory() {
            @Override
            public void write(long gpa, MemorySegment source) {}

            @Override
            public void write(long gpa, BootContent source) {}
        };
    }
}
