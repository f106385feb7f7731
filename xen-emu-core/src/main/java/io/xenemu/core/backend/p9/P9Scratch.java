package io.xenemu.core.backend.p9;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import io.xenemu.kvm.file.Beneath;
import io.xenemu.kvm.file.DirectoryEntries;
import io.xenemu.kvm.file.FileSystemStatus;
import io.xenemu.kvm.file.RecordLock;
import io.xenemu.kvm.file.Statx;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// The memory that one worker needs beside the request and the answer. For one thread at a time.
final class P9Scratch implements AutoCloseable {
    /// The longest path of the kernel with its end (`PATH_MAX`).
    static final int PATH_MAX = 4096;

    private static final int ENTRIES_BYTES = 32_768;

    private final Arena arena = Arena.ofShared();

    final Beneath files = new Beneath(arena);
    final Statx status = new Statx(arena);
    final P9Mapped mapped = new P9Mapped(arena);
    final FileSystemStatus fileSystem = new FileSystemStatus(arena);
    final RecordLock lock = new RecordLock(arena);
    final MemorySegment name = arena.allocate(P9Reader.NAME_MAX + 1L);
    final MemorySegment otherName = arena.allocate(P9Reader.NAME_MAX + 1L);

    /// For targets of links, and for [P9Paths].
    final MemorySegment path = arena.allocate(PATH_MAX);

    /// For opening a path below the root, beside [#path].
    final MemorySegment otherPath = arena.allocate(PATH_MAX);

    /// For [P9Paths] alone.
    final MemorySegment rootPath = arena.allocate(PATH_MAX);

    final P9Reader in = new P9Reader();
    final P9Writer out = new P9Writer();

    final DirectoryEntries entries = new DirectoryEntries(arena, ENTRIES_BYTES);

    /// The numbers of a device node that a guest makes.
    int major;

    int minor;

    /// The most bytes that the answer may have.
    int limit;

    private MemorySegment attribute = MemorySegment.NULL;

    /// Room for the value of an extended attribute; made at its first use, since few guests use them.
    MemorySegment attribute() {
        if (attribute.byteSize() == 0) {
            attribute = arena.allocate(P9Limits.ATTRIBUTE_BYTES);
        }
        return attribute;
    }

    /// Copies a part of some text as a C string, such as to [#otherPath].
    ///
    /// @param to has room for one byte more than `length`
    static void copy(byte[] from, int at, int length, MemorySegment to) {
        MemorySegment.copy(from, at, to, JAVA_BYTE, 0, length);
        to.set(JAVA_BYTE, length, (byte) 0);
    }

    @Override
    public void close() {
        arena.close();
    }
}
