package io.xenemu.kvm.libc;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/// The C functions for files that are named below a descriptor (`openat2(2)` and its kin), one method for each, with
/// the arguments and the order of C. A result of zero or more is success, a negative one is the negated errno. A name
/// is a C string in native memory.
///
/// All handles have mmap's signature of six 64-bit registers, for the reason that [Libc] gives.
public final class AtCalls {
    /// `__NR_openat2`: glibc has no function for it.
    private static final long OPENAT2 = 437;

    private static final int ARGUMENTS = 6;

    // long syscall(long number, ...);
    private static final MethodHandle SYSCALL = Libc.handle("syscall", ARGUMENTS);
    // int openat(int dirfd, const char *pathname, int flags, ...);
    private static final MethodHandle OPENAT = Libc.handle("openat", ARGUMENTS);
    // int statx(int dirfd, const char *pathname, int flags, unsigned int mask, struct statx
    // *statxbuf);
    private static final MethodHandle STATX = Libc.handle("statx", ARGUMENTS);
    // ssize_t getdents64(int fd, void *dirp, size_t count);
    private static final MethodHandle GETDENTS64 = Libc.handle("getdents64", ARGUMENTS);
    // off_t lseek(int fd, off_t offset, int whence);
    private static final MethodHandle LSEEK = Libc.handle("lseek", ARGUMENTS);
    // ssize_t pread(int fd, void *buf, size_t count, off_t offset);
    private static final MethodHandle PREAD = Libc.handle("pread", ARGUMENTS);
    // ssize_t pwrite(int fd, const void *buf, size_t count, off_t offset);
    private static final MethodHandle PWRITE = Libc.handle("pwrite", ARGUMENTS);
    // int mkdirat(int dirfd, const char *pathname, mode_t mode);
    private static final MethodHandle MKDIRAT = Libc.handle("mkdirat", ARGUMENTS);
    // int mknodat(int dirfd, const char *pathname, mode_t mode, dev_t dev);
    private static final MethodHandle MKNODAT = Libc.handle("mknodat", ARGUMENTS);
    // int symlinkat(const char *target, int newdirfd, const char *linkpath);
    private static final MethodHandle SYMLINKAT = Libc.handle("symlinkat", ARGUMENTS);
    // int linkat(int olddirfd, const char *oldpath, int newdirfd, const char *newpath, int flags);
    private static final MethodHandle LINKAT = Libc.handle("linkat", ARGUMENTS);
    // int renameat2(int olddirfd, const char *oldpath, int newdirfd, const char *newpath, unsigned
    // int flags);
    private static final MethodHandle RENAMEAT2 = Libc.handle("renameat2", ARGUMENTS);
    // int unlinkat(int dirfd, const char *pathname, int flags);
    private static final MethodHandle UNLINKAT = Libc.handle("unlinkat", ARGUMENTS);
    // ssize_t readlinkat(int dirfd, const char *pathname, char *buf, size_t bufsiz);
    private static final MethodHandle READLINKAT = Libc.handle("readlinkat", ARGUMENTS);
    // int chmod(const char *pathname, mode_t mode);
    private static final MethodHandle CHMOD = Libc.handle("chmod", ARGUMENTS);
    // int fchownat(int dirfd, const char *pathname, uid_t owner, gid_t group, int flags);
    private static final MethodHandle FCHOWNAT = Libc.handle("fchownat", ARGUMENTS);
    // int utimensat(int dirfd, const char *pathname, const struct timespec times[2], int flags);
    private static final MethodHandle UTIMENSAT = Libc.handle("utimensat", ARGUMENTS);
    // int truncate(const char *path, off_t length);
    private static final MethodHandle TRUNCATE = Libc.handle("truncate", ARGUMENTS);
    // ssize_t getxattr(const char *path, const char *name, void *value, size_t size);
    private static final MethodHandle GETXATTR = Libc.handle("getxattr", ARGUMENTS);
    // int setxattr(const char *path, const char *name, const void *value, size_t size, int flags);
    private static final MethodHandle SETXATTR = Libc.handle("setxattr", ARGUMENTS);
    // int removexattr(const char *path, const char *name);
    private static final MethodHandle REMOVEXATTR = Libc.handle("removexattr", ARGUMENTS);
    // ssize_t listxattr(const char *path, char *list, size_t size);
    private static final MethodHandle LISTXATTR = Libc.handle("listxattr", ARGUMENTS);
    // int fstatfs(int fd, struct statfs *buf);
    private static final MethodHandle FSTATFS = Libc.handle("fstatfs", ARGUMENTS);
    // int fsync(int fd);
    private static final MethodHandle FSYNC = Libc.handle("fsync", ARGUMENTS);
    // int fdatasync(int fd);
    private static final MethodHandle FDATASYNC = Libc.handle("fdatasync", ARGUMENTS);
    // int fcntl(int fd, int op, ...);
    private static final MethodHandle FCNTL = Libc.handle("fcntl", ARGUMENTS);

    private AtCalls() {}

    /// openat2(2), with a `struct open_how`.
    public static int openat2(int dirfd, MemorySegment name, MemorySegment how) {
        return integer(SYSCALL, OPENAT2, dirfd, at(name), at(how), how.byteSize(), 0);
    }

    /// openat(2) of a file that exists.
    public static int openat(int dirfd, MemorySegment name, int flags) {
        return integer(OPENAT, dirfd, at(name), flags, 0, 0, 0);
    }

    /// statx(2).
    public static int statx(
            int dirfd, MemorySegment name, int flags, int mask, MemorySegment statx) {
        return integer(STATX, dirfd, at(name), flags, mask, at(statx), 0);
    }

    /// getdents64(2) into the whole of a buffer.
    public static int getdents64(int fd, MemorySegment buffer) {
        return integer(GETDENTS64, fd, at(buffer), buffer.byteSize(), 0, 0, 0);
    }

    /// lseek(2).
    public static long lseek(int fd, long offset, int whence) {
        return call(LSEEK, fd, offset, whence, 0, 0, 0);
    }

    /// pread(2) into the front of a buffer.
    public static long pread(int fd, MemorySegment buffer, long count, long offset) {
        return call(PREAD, fd, Libc.address(buffer, count), count, offset, 0, 0);
    }

    /// pwrite(2) of the front of a buffer.
    public static long pwrite(int fd, MemorySegment buffer, long count, long offset) {
        return call(PWRITE, fd, Libc.address(buffer, count), count, offset, 0, 0);
    }

    /// mkdirat(2).
    public static int mkdirat(int dirfd, MemorySegment name, int mode) {
        return integer(MKDIRAT, dirfd, at(name), mode, 0, 0, 0);
    }

    /// mknodat(2).
    public static int mknodat(int dirfd, MemorySegment name, int mode, long device) {
        return integer(MKNODAT, dirfd, at(name), mode, device, 0, 0);
    }

    /// symlinkat(2).
    public static int symlinkat(MemorySegment target, int dirfd, MemorySegment name) {
        return integer(SYMLINKAT, at(target), dirfd, at(name), 0, 0, 0);
    }

    /// linkat(2).
    public static int linkat(
            int oldDirfd, MemorySegment oldName, int dirfd, MemorySegment name, int flags) {
        return integer(LINKAT, oldDirfd, at(oldName), dirfd, at(name), flags, 0);
    }

    /// renameat2(2).
    public static int renameat2(
            int oldDirfd, MemorySegment oldName, int dirfd, MemorySegment name, int flags) {
        return integer(RENAMEAT2, oldDirfd, at(oldName), dirfd, at(name), flags, 0);
    }

    /// unlinkat(2).
    public static int unlinkat(int dirfd, MemorySegment name, int flags) {
        return integer(UNLINKAT, dirfd, at(name), flags, 0, 0, 0);
    }

    /// readlinkat(2) into the whole of a buffer.
    public static int readlinkat(int dirfd, MemorySegment name, MemorySegment buffer) {
        return integer(READLINKAT, dirfd, at(name), at(buffer), buffer.byteSize(), 0, 0);
    }

    /// chmod(2).
    public static int chmod(MemorySegment path, int mode) {
        return integer(CHMOD, at(path), mode, 0, 0, 0, 0);
    }

    /// fchownat(2).
    public static int fchownat(int dirfd, MemorySegment name, int owner, int group, int flags) {
        return integer(FCHOWNAT, dirfd, at(name), owner, group, flags, 0);
    }

    /// utimensat(2), with two `struct timespec`.
    public static int utimensat(int dirfd, MemorySegment name, MemorySegment times, int flags) {
        return integer(UTIMENSAT, dirfd, at(name), at(times), flags, 0, 0);
    }

    /// truncate(2).
    public static int truncate(MemorySegment path, long length) {
        return integer(TRUNCATE, at(path), length, 0, 0, 0, 0);
    }

    /// getxattr(2) into the whole of a buffer; an empty one asks for the size.
    public static int getxattr(MemorySegment path, MemorySegment name, MemorySegment value) {
        return integer(GETXATTR, at(path), at(name), at(value), value.byteSize(), 0, 0);
    }

    /// setxattr(2) of the whole of a buffer.
    public static int setxattr(
            MemorySegment path, MemorySegment name, MemorySegment value, int flags) {
        return integer(SETXATTR, at(path), at(name), at(value), value.byteSize(), flags, 0);
    }

    /// removexattr(2).
    public static int removexattr(MemorySegment path, MemorySegment name) {
        return integer(REMOVEXATTR, at(path), at(name), 0, 0, 0, 0);
    }

    /// listxattr(2) into the whole of a buffer; an empty one asks for the size.
    public static int listxattr(MemorySegment path, MemorySegment list) {
        return integer(LISTXATTR, at(path), at(list), list.byteSize(), 0, 0, 0);
    }

    /// fstatfs(2).
    public static int fstatfs(int fd, MemorySegment statfs) {
        return integer(FSTATFS, fd, at(statfs), 0, 0, 0, 0);
    }

    /// fsync(2).
    public static int fsync(int fd) {
        return integer(FSYNC, fd, 0, 0, 0, 0, 0);
    }

    /// fdatasync(2).
    public static int fdatasync(int fd) {
        return integer(FDATASYNC, fd, 0, 0, 0, 0, 0);
    }

    /// fcntl(2) with a structure as argument.
    public static int fcntl(int fd, int operation, MemorySegment argument) {
        return integer(FCNTL, fd, operation, at(argument), 0, 0, 0);
    }

    private static long at(MemorySegment memory) {
        return Libc.address(memory, memory.byteSize());
    }

    private static int integer(
            MethodHandle function, long a, long b, long c, long d, long e, long f) {
        MemorySegment errno = CallSlot.current().errno();
        try {
            return Libc.intResult((long) function.invokeExact(errno, a, b, c, d, e, f), errno);
        } catch (Throwable t) {
            throw Libc.unexpected(t);
        }
    }

    private static long call(
            MethodHandle function, long a, long b, long c, long d, long e, long f) {
        MemorySegment errno = CallSlot.current().errno();
        try {
            return Libc.longResult((long) function.invokeExact(errno, a, b, c, d, e, f), errno);
        } catch (Throwable t) {
            throw Libc.unexpected(t);
        }
    }
}
