package io.xenemu.kvm.file;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// Records of `struct linux_dirent64` (`linux/dirent.h`), as [Beneath#entries] has filled them. Stands on one record at
/// a time.
public final class DirectoryEntries {
    static final int D_INO = 0;
    static final int D_OFF = 8;
    static final int D_RECLEN = 16;
    static final int D_TYPE = 18;
    static final int D_NAME = 19;

    private final MemorySegment memory;
    private int filled;
    private int at;

    /// @param arena owns the records' memory
    /// @param bytes room for records
    public DirectoryEntries(Arena arena, int bytes) {
        memory = arena.allocate(bytes, Long.BYTES);
    }

    /// @param bytes the size of a part at the front
    MemorySegment memory(int bytes) {
        return memory.asSlice(0, Math.min(bytes, memory.byteSize()));
    }

    /// Starts before the first record.
    void filled(int bytes) {
        filled = bytes;
        at = -1;
    }

    /// Goes to the next record.
    ///
    /// @return false after the last one
    public boolean next() {
        at = at < 0 ? 0 : at + Short.toUnsignedInt(memory.get(JAVA_SHORT, at + D_RECLEN));
        return at < filled;
    }

    public long inode() {
        return memory.get(JAVA_LONG, at + D_INO);
    }

    /// The position in the directory after this record.
    public long nextPosition() {
        return memory.get(JAVA_LONG, at + D_OFF);
    }

    /// The file's type as `DT_REG` and its kin have it: the type bits of a mode, shifted right by 12; 0 if unknown.
    public int type() {
        return Byte.toUnsignedInt(memory.get(JAVA_BYTE, at + D_TYPE));
    }

    /// Bytes of the name.
    public int nameLength() {
        int length = 0;
        while (memory.get(JAVA_BYTE, (long) at + D_NAME + length) != 0) {
            length++;
        }
        return length;
    }

    /// One byte of the name.
    public byte name(int index) {
        return memory.get(JAVA_BYTE, (long) at + D_NAME + index);
    }

    /// Copies the name.
    public void copyName(int length, MemorySegment to, long offset) {
        MemorySegment.copy(memory, (long) at + D_NAME, to, offset, length);
    }
}
