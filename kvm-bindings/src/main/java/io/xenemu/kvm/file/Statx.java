package io.xenemu.kvm.file;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// A `struct statx` (`linux/stat.h`): the status of a file, as [Beneath#status] has filled it.
public final class Statx {
    /// Bytes of the structure.
    static final int BYTES = 256;

    static final int STX_BLKSIZE = 4;
    static final int STX_NLINK = 16;
    static final int STX_UID = 20;
    static final int STX_GID = 24;
    static final int STX_MODE = 28;
    static final int STX_INO = 32;
    static final int STX_SIZE = 40;
    static final int STX_BLOCKS = 48;
    static final int STX_ATIME = 64;
    static final int STX_BTIME = 80;
    static final int STX_CTIME = 96;
    static final int STX_MTIME = 112;
    static final int STX_RDEV_MAJOR = 128;
    static final int STX_RDEV_MINOR = 132;
    static final int STX_DEV_MAJOR = 136;
    static final int STX_DEV_MINOR = 140;

    /// Bytes of one of [#blocks], whatever the file system's own are.
    private static final long BLOCK = 512;

    /// `tv_nsec` of a `struct statx_timestamp`.
    static final int TV_NSEC = 8;

    private final MemorySegment memory;

    /// @param arena owns the structure's memory
    public Statx(Arena arena) {
        memory = arena.allocate(BYTES, Long.BYTES);
    }

    MemorySegment memory() {
        return memory;
    }

    /// Type and permissions.
    public int mode() {
        return Short.toUnsignedInt(memory.get(JAVA_SHORT, STX_MODE));
    }

    /// Shows the file with another owner, group and mode from now on, until it is filled again.
    public void show(int uid, int gid, int mode) {
        memory.set(JAVA_INT, STX_UID, uid);
        memory.set(JAVA_INT, STX_GID, gid);
        memory.set(JAVA_SHORT, STX_MODE, (short) mode);
    }

    /// Shows the file as one that stands for another device, until it is filled again.
    public void showRepresented(int major, int minor) {
        memory.set(JAVA_INT, STX_RDEV_MAJOR, major);
        memory.set(JAVA_INT, STX_RDEV_MINOR, minor);
    }

    /// The type alone, such as [OpenFlags#S_IFREG].
    public int type() {
        return mode() & OpenFlags.S_IFMT;
    }

    public int uid() {
        return memory.get(JAVA_INT, STX_UID);
    }

    public int gid() {
        return memory.get(JAVA_INT, STX_GID);
    }

    /// The number of names.
    public int links() {
        return memory.get(JAVA_INT, STX_NLINK);
    }

    /// The inode number, unique among the files of [#device].
    public long inode() {
        return memory.get(JAVA_LONG, STX_INO);
    }

    /// Bytes.
    public long size() {
        return memory.get(JAVA_LONG, STX_SIZE);
    }

    /// Blocks of 512 bytes that the file takes.
    public long blocks() {
        return memory.get(JAVA_LONG, STX_BLOCKS);
    }

    /// Bytes that the file takes on the disk: fewer than [#size] if it has holes.
    public long taken() {
        return blocks() * BLOCK;
    }

    /// Bytes of a good access.
    public int blockSize() {
        return memory.get(JAVA_INT, STX_BLKSIZE);
    }

    /// The device that has the file: major number in the upper half, minor number in the lower.
    public long device() {
        return pair(STX_DEV_MAJOR, STX_DEV_MINOR);
    }

    /// The device that a device node stands for, in the form of [#device].
    public long represented() {
        return pair(STX_RDEV_MAJOR, STX_RDEV_MINOR);
    }

    private long pair(int major, int minor) {
        return Integer.toUnsignedLong(memory.get(JAVA_INT, major)) << Integer.SIZE
                | Integer.toUnsignedLong(memory.get(JAVA_INT, minor));
    }

    /// Time of the last access, in seconds since 1970.
    public long accessed() {
        return memory.get(JAVA_LONG, STX_ATIME);
    }

    /// Nanoseconds beside [#accessed].
    public int accessedNanos() {
        return memory.get(JAVA_INT, STX_ATIME + TV_NSEC);
    }

    /// Time of the last write, in seconds since 1970.
    public long modified() {
        return memory.get(JAVA_LONG, STX_MTIME);
    }

    /// Nanoseconds beside [#modified].
    public int modifiedNanos() {
        return memory.get(JAVA_INT, STX_MTIME + TV_NSEC);
    }

    /// Time of the last change of the status, in seconds since 1970.
    public long changed() {
        return memory.get(JAVA_LONG, STX_CTIME);
    }

    /// Nanoseconds beside [#changed].
    public int changedNanos() {
        return memory.get(JAVA_INT, STX_CTIME + TV_NSEC);
    }

    /// Time of creation, in seconds since 1970; 0 where the file system has none.
    public long born() {
        return memory.get(JAVA_LONG, STX_BTIME);
    }

    /// Nanoseconds beside [#born].
    public int bornNanos() {
        return memory.get(JAVA_INT, STX_BTIME + TV_NSEC);
    }
}
