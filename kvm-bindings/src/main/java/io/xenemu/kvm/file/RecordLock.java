package io.xenemu.kvm.file;

import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// A `struct flock` of x86-64 (`asm-generic/fcntl.h`): a lock of a range of a file's bytes, from the file's start.
public final class RecordLock {
    public static final int F_RDLCK = 0;
    public static final int F_WRLCK = 1;
    public static final int F_UNLCK = 2;

    /// fcntl(2)'s operations on locks that belong to the open file.
    static final int F_OFD_GETLK = 36;

    static final int F_OFD_SETLK = 37;

    /// Bytes of the structure.
    static final int BYTES = 32;

    static final int L_TYPE = 0;
    static final int L_START = 8;
    static final int L_LEN = 16;

    private final MemorySegment memory;

    /// @param arena owns the structure's memory
    public RecordLock(Arena arena) {
        memory = arena.allocate(BYTES, Long.BYTES);
    }

    MemorySegment memory() {
        return memory;
    }

    /// Asks for a lock.
    ///
    /// @param start the first byte
    /// @param length bytes; 0 is to the end
    public void set(int type, long start, long length) {
        memory.fill((byte) 0);
        memory.set(JAVA_SHORT, L_TYPE, (short) type);
        memory.set(JAVA_LONG, L_START, start);
        memory.set(JAVA_LONG, L_LEN, length);
    }

    public int type() {
        return memory.get(JAVA_SHORT, L_TYPE);
    }

    public long start() {
        return memory.get(JAVA_LONG, L_START);
    }

    public long length() {
        return memory.get(JAVA_LONG, L_LEN);
    }
}
