package io.xenemu.core.boot;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// The guest's memory before its first instruction. It is new: bytes that nobody writes read as zero, which is what
/// `.bss` and unused table fields rely on.
@FunctionalInterface
public interface BootMemory {
    /// In pieces of this many bytes, which stay in the CPU's cache between the file and the guest.
    int PIECE = 256 << 10;

    /// Copies all of `source` to the guest-physical address `gpa`. The range lies within the slots of the domain's
    /// [GuestMemoryMap]; a failure is a bug of the caller.
    void write(long gpa, MemorySegment source);

    /// Copies all of `source` to `gpa`.
    default void write(long gpa, byte[] source) {
        write(gpa, MemorySegment.ofArray(source));
    }

    /// Copies all of `source` to `gpa`.
    ///
    /// @throws BootException when it cannot be read
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

    /// Takes nothing, and looks at nothing that it is to take: to find out whether a guest's files can be loaded.
    static BootMemory ofNoGuest() {
        return new BootMemory() {
            @Override
            public void write(long gpa, MemorySegment source) {}

            @Override
            public void write(long gpa, BootContent source) {}
        };
    }
}
