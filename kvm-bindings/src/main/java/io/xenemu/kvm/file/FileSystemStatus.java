package io.xenemu.kvm.file;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// A `struct statfs` of x86-64 (`asm-generic/statfs.h`), as [Beneath#fileSystem] has filled it.
public final class FileSystemStatus {
    /// Bytes of the structure.
    static final int BYTES = 120;

    static final int F_TYPE = 0;
    static final int F_BSIZE = 8;
    static final int F_BLOCKS = 16;
    static final int F_BFREE = 24;
    static final int F_BAVAIL = 32;
    static final int F_FILES = 40;
    static final int F_FFREE = 48;
    static final int F_FSID = 56;
    static final int F_NAMELEN = 64;

    private final MemorySegment memory;

    /// @param arena owns the structure's memory
    public FileSystemStatus(Arena arena) {
        memory = arena.allocate(BYTES, Long.BYTES);
    }

    MemorySegment memory() {
        return memory;
    }

    /// The number of the file system's kind (`linux/magic.h`).
    public int type() {
        return (int) memory.get(JAVA_LONG, F_TYPE);
    }

    /// Bytes of a block.
    public long blockSize() {
        return memory.get(JAVA_LONG, F_BSIZE);
    }

    /// All blocks.
    public long blocks() {
        return memory.get(JAVA_LONG, F_BLOCKS);
    }

    /// Free blocks.
    public long blocksFree() {
        return memory.get(JAVA_LONG, F_BFREE);
    }

    /// Blocks free for users without privilege.
    public long blocksAvailable() {
        return memory.get(JAVA_LONG, F_BAVAIL);
    }

    /// All inodes.
    public long files() {
        return memory.get(JAVA_LONG, F_FILES);
    }

    /// Free inodes.
    public long filesFree() {
        return memory.get(JAVA_LONG, F_FFREE);
    }

    /// The file system's id.
    public long id() {
        return memory.get(JAVA_LONG, F_FSID);
    }

    /// The longest name, in bytes.
    public int nameLength() {
        return (int) memory.get(JAVA_LONG, F_NAMELEN);
    }
}
