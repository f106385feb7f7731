package io.xenemu.kvm.file;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.libc.AtCalls;
import io.xenemu.kvm.libc.Libc;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/// System calls on files, each named by one name below a directory's descriptor, or by the file's own descriptor. A
/// name is a C string in native memory, checked by the caller to be one name: not empty, without `/`, not `.` or `..`.
///
/// All results are those of the kernel: zero or more, or a negated errno. An instance has scratch memory, so it is for
/// one thread at a time; its calls do not allocate.
public final class Beneath {
    private static final int AT_FDCWD = -100;
    private static final int AT_SYMLINK_NOFOLLOW = 0x100;
    private static final int AT_SYMLINK_FOLLOW = 0x400;
    private static final int AT_EMPTY_PATH = 0x1000;

    /// `struct open_how` (`linux/openat2.h`).
    static final int OPEN_HOW_BYTES = 24;

    static final int HOW_FLAGS = 0;
    static final int HOW_MODE = 8;
    static final int HOW_RESOLVE = 16;

    private static final long RESOLVE_NO_MAGICLINKS = 0x02;
    private static final long RESOLVE_NO_SYMLINKS = 0x04;
    private static final long RESOLVE_BENEATH = 0x08;

    /// `STATX_BASIC_STATS | STATX_BTIME`.
    private static final int STATX_MASK = 0xfff;

    private static final int SEEK_SET = 0;
    private static final int TIMES_BYTES = 32;

    private static final String OWN_DESCRIPTORS = "/proc/self/fd/";

    /// Room for the digits of a descriptor.
    private static final int DIGITS = 11;

    private final MemorySegment how;
    private final MemorySegment times;
    private final MemorySegment empty;
    private final MemorySegment link;

    /// @param arena owns the scratch memory
    public Beneath(Arena arena) {
        how = arena.allocate(OPEN_HOW_BYTES, Long.BYTES);
        times = arena.allocate(TIMES_BYTES, Long.BYTES);
        empty = arena.allocate(1);
        link = arena.allocate(OWN_DESCRIPTORS.length() + DIGITS + 1L);
        MemorySegment.copy(
                OWN_DESCRIPTORS.getBytes(StandardCharsets.US_ASCII),
                0,
                link,
                JAVA_BYTE,
                0,
                OWN_DESCRIPTORS.length());
    }

    /// The path of a descriptor's file below /proc, which the kernel follows to that very file.
    private MemorySegment link(int fd) {
        int digits = 1;
        for (int rest = fd; rest > 9; rest /= 10) {
            digits++;
        }
        int rest = fd;
        for (int i = digits - 1; i >= 0; i--) {
            link.set(JAVA_BYTE, OWN_DESCRIPTORS.length() + (long) i, (byte) ('0' + rest % 10));
            rest /= 10;
        }
        link.set(JAVA_BYTE, OWN_DESCRIPTORS.length() + (long) digits, (byte) 0);
        return link;
    }

    /// Opens an operator's folder as a place (`O_PATH`); the path may have symbolic links.
    ///
    /// @throws KvmException if it is not a folder that can be reached
    public static int openFolder(Path folder) {
        int fd =
                Libc.open(
                        folder.toString(),
                        OpenFlags.O_PATH | OpenFlags.O_DIRECTORY | OpenFlags.O_CLOEXEC);
        if (fd < 0) {
            throw new KvmException("open", -fd, folder.toString());
        }
        return fd;
    }

    /// Opens a file below a directory by openat2(2) with `RESOLVE_BENEATH`, `RESOLVE_NO_SYMLINKS` and
    /// `RESOLVE_NO_MAGICLINKS`. Here alone `name` may be several names, separated by `/`.
    ///
    /// @param flags of [OpenFlags]; `O_CLOEXEC` and `O_NOFOLLOW` are added
    /// @param mode permissions of a file that is created
    /// @return the descriptor
    public int open(int directory, MemorySegment name, int flags, int mode) {
        how.set(
                JAVA_LONG,
                HOW_FLAGS,
                Integer.toUnsignedLong(flags | OpenFlags.O_CLOEXEC | OpenFlags.O_NOFOLLOW));
        how.set(JAVA_LONG, HOW_MODE, mode);
        how.set(
                JAVA_LONG,
                HOW_RESOLVE,
                RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
        return AtCalls.openat2(directory, name, how);
    }

    /// Opens the file of a descriptor once more. The caller has checked the file's type: opening a FIFO waits, and
    /// opening a device has effects.
    ///
    /// @return another descriptor
    public int reopen(int fd, int flags) {
        return AtCalls.openat(AT_FDCWD, link(fd), flags | OpenFlags.O_CLOEXEC);
    }

    /// close(2); the result says nothing.
    public static void close(int fd) {
        int _ = Libc.close(fd);
    }

    /// statx(2) of a descriptor's file.
    public int status(int fd, Statx status) {
        return AtCalls.statx(fd, empty, AT_EMPTY_PATH, STATX_MASK, status.memory());
    }

    /// statx(2) of a name in a directory; of a symbolic link itself.
    public static int statusOf(int directory, MemorySegment name, Statx status) {
        return AtCalls.statx(directory, name, AT_SYMLINK_NOFOLLOW, STATX_MASK, status.memory());
    }

    /// pread(2).
    public static long read(int fd, MemorySegment buffer, long count, long offset) {
        return AtCalls.pread(fd, buffer, count, offset);
    }

    /// pwrite(2).
    public static long write(int fd, MemorySegment buffer, long count, long offset) {
        return AtCalls.pwrite(fd, buffer, count, offset);
    }

    /// lseek(2) to a position that [DirectoryEntries#nextPosition] gave.
    public static long seek(int fd, long position) {
        return AtCalls.lseek(fd, position, SEEK_SET);
    }

    /// getdents64(2).
    ///
    /// @param bytes at most this much, and at most the room of `entries`
    /// @return bytes of records; 0 at the end
    public static int entries(int fd, DirectoryEntries entries, int bytes) {
        int filled = AtCalls.getdents64(fd, entries.memory(bytes));
        entries.filled(Math.max(filled, 0));
        return filled;
    }

    /// mkdirat(2).
    public static int makeDirectory(int directory, MemorySegment name, int mode) {
        return AtCalls.mkdirat(directory, name, mode);
    }

    /// mknodat(2) of a file, FIFO or socket.
    public static int makeNode(int directory, MemorySegment name, int mode) {
        return AtCalls.mknodat(directory, name, mode, 0);
    }

    /// symlinkat(2).
    public static int makeSymlink(MemorySegment target, int directory, MemorySegment name) {
        return AtCalls.symlinkat(target, directory, name);
    }

    /// linkat(2): gives a descriptor's file another name.
    public int makeLink(int fd, int directory, MemorySegment name) {
        return AtCalls.linkat(AT_FDCWD, link(fd), directory, name, AT_SYMLINK_FOLLOW);
    }

    /// renameat2(2).
    public static int rename(int from, MemorySegment oldName, int to, MemorySegment newName) {
        return AtCalls.renameat2(from, oldName, to, newName, 0);
    }

    /// unlinkat(2).
    ///
    /// @param flags [OpenFlags#AT_REMOVEDIR] or 0
    public static int unlink(int directory, MemorySegment name, int flags) {
        return AtCalls.unlinkat(directory, name, flags);
    }

    /// readlinkat(2) of a symbolic link that is open as a place (`O_PATH`).
    ///
    /// @return bytes of its target; the whole buffer if it may have been cut
    public int readSymlink(int fd, MemorySegment target) {
        return AtCalls.readlinkat(fd, empty, target);
    }

    /// The path where a descriptor's file is now, from the root of the file system; a removed file has a path that
    /// ends in ` (deleted)`.
    ///
    /// @return bytes of the path; the whole buffer if it may have been cut
    public int path(int fd, MemorySegment path) {
        return AtCalls.readlinkat(AT_FDCWD, link(fd), path);
    }

    /// Changes the permissions of a descriptor's file.
    public int changeMode(int fd, int mode) {
        return AtCalls.chmod(link(fd), mode);
    }

    /// Changes the owner of a descriptor's file.
    ///
    /// @param owner -1 leaves it
    /// @param group -1 leaves it
    public int changeOwner(int fd, int owner, int group) {
        return AtCalls.fchownat(fd, empty, owner, group, AT_EMPTY_PATH);
    }

    /// Changes the times of a descriptor's file.
    ///
    /// @param accessedNanos also `UTIME_NOW` or `UTIME_OMIT`
    /// @param modifiedNanos also `UTIME_NOW` or `UTIME_OMIT`
    public int changeTimes(
            int fd, long accessed, long accessedNanos, long modified, long modifiedNanos) {
        times.setAtIndex(JAVA_LONG, 0, accessed);
        times.setAtIndex(JAVA_LONG, 1, accessedNanos);
        times.setAtIndex(JAVA_LONG, 2, modified);
        times.setAtIndex(JAVA_LONG, 3, modifiedNanos);
        return AtCalls.utimensat(fd, empty, times, AT_EMPTY_PATH);
    }

    /// ftruncate(2) of a descriptor that is open for writing.
    public static int resize(int fd, long size) {
        return Libc.ftruncate(fd, size);
    }

    /// Changes the size of a descriptor's file, which need not be open for writing.
    public int changeSize(int fd, long size) {
        return AtCalls.truncate(link(fd), size);
    }

    /// getxattr(2) of a descriptor's file.
    public int readAttribute(int fd, MemorySegment name, MemorySegment value) {
        return AtCalls.getxattr(link(fd), name, value);
    }

    /// listxattr(2) of a descriptor's file.
    public int listAttributes(int fd, MemorySegment list) {
        return AtCalls.listxattr(link(fd), list);
    }

    /// setxattr(2) of a descriptor's file.
    ///
    /// @param flags 1 only creates, 2 only replaces
    public int writeAttribute(int fd, MemorySegment name, MemorySegment value, int flags) {
        return AtCalls.setxattr(link(fd), name, value, flags);
    }

    /// removexattr(2) of a descriptor's file.
    public int removeAttribute(int fd, MemorySegment name) {
        return AtCalls.removexattr(link(fd), name);
    }

    /// fstatfs(2).
    public static int fileSystem(int fd, FileSystemStatus status) {
        return AtCalls.fstatfs(fd, status.memory());
    }

    /// fsync(2), or fdatasync(2).
    public static int sync(int fd, boolean dataOnly) {
        return dataOnly ? AtCalls.fdatasync(fd) : AtCalls.fsync(fd);
    }

    /// Takes or lets go of a lock that belongs to the open file (`F_OFD_SETLK`). Does not wait.
    public static int lock(int fd, RecordLock lock) {
        return AtCalls.fcntl(fd, RecordLock.F_OFD_SETLK, lock.memory());
    }

    /// Finds a lock that stands in the way of another one (`F_OFD_GETLK`); its type is `F_UNLCK` if there is none.
    public static int findLock(int fd, RecordLock lock) {
        return AtCalls.fcntl(fd, RecordLock.F_OFD_GETLK, lock.memory());
    }
}
