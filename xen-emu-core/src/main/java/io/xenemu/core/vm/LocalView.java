package io.xenemu.core.vm;

import io.xenemu.kvm.memory.MemFd;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/// A mapping of this process, for a VM that it has made.
///
/// @param mapping of a [MemFd]
public record LocalView(MemorySegment mapping) implements GuestView {
    /// Maps a part of a memory.
    ///
    /// @param arena owns the mapping
    public static LocalView of(
            Arena arena, MemFd memory, long offset, long bytes, boolean readOnly) {
        return new LocalView(memory.map(arena, offset, bytes, readOnly));
    }

    @Override
    public long bytes() {
        return mapping.byteSize();
    }

    @Override
    public void show(long at, long bytes, MemFd memory, long offset, boolean readOnly) {
        memory.mapFixed(offset, mapping.asSlice(at, bytes), readOnly);
    }

    @Override
    public void showAgain(long at, long bytes, MemFd memory, long offset, boolean readOnly) {
        memory.mapBack(offset, mapping.asSlice(at, bytes), readOnly);
    }

    @Override
    public Optional<MemorySegment> here() {
        return Optional.of(mapping);
    }
}
