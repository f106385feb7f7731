package io.xenemu.kvm.libc;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/// The C functions for the contents of files and block devices, by the convention of [Libc]: a negative result is the
/// negated errno. None allocates. The handles are apart, since a service without disks has no use for their code.
public final class FileCalls {
    private static final int ARGUMENTS = 4;

    // ssize_t preadv(int fd, const struct iovec *iov, int iovcnt, off_t offset);
    private static final MethodHandle PREADV = Libc.handle("preadv", ARGUMENTS);
    // ssize_t pwritev(int fd, const struct iovec *iov, int iovcnt, off_t offset);
    private static final MethodHandle PWRITEV = Libc.handle("pwritev", ARGUMENTS);
    // int fallocate(int fd, int mode, off_t offset, off_t len);
    private static final MethodHandle FALLOCATE = Libc.handle("fallocate", ARGUMENTS);
    // int fdatasync(int fd);
    private static final MethodHandle FDATASYNC = Libc.handle("fdatasync", ARGUMENTS);
    // int posix_fadvise(int fd, off_t offset, off_t len, int advice);
    private static final MethodHandle POSIX_FADVISE = Libc.handle("posix_fadvise", ARGUMENTS);
    // int fstat(int fd, struct stat *statbuf);
    private static final MethodHandle FSTAT = Libc.handle("fstat", ARGUMENTS);
    // off_t lseek(int fd, off_t offset, int whence);
    private static final MethodHandle LSEEK = Libc.handle("lseek", ARGUMENTS);

    // int sync_file_range(int fd, off_t offset, off_t nbytes, unsigned int flags);
    private static final MethodHandle SYNC_FILE_RANGE = Libc.handle("sync_file_range", ARGUMENTS);

    private FileCalls() {}

    /// preadv(2) with `count` elements at the address `vectors`.
    public static long preadv(int fd, long vectors, int count, long offset) {
        MemorySegment errno = CallSlot.current().errno();
        // SAFETY: IoVectors says who keeps the memory that the elements name.
        try {
            return Libc.longResult(
                    (long) PREADV.invokeExact(errno, (long) fd, vectors, (long) count, offset),
                    errno);
        } catch (Throwable t) {
            throw Libc.unexpected(t);
        }
    }

    /// pwritev(2) with `count` elements at the address `vectors`.
    public static long pwritev(int fd, long vectors, int count, long offset) {
        MemorySegment errno = CallSlot.current().errno();
        try {
            return Libc.longResult(
                    (long) PWRITEV.invokeExact(errno, (long) fd, vectors, (long) count, offset),
                    errno);
        } catch (Throwable t) {
            throw Libc.unexpected(t);
        }
    }

    /// fallocate(2).
    public static int fallocate(int fd, int mode, long offset, long length) {
        return call(FALLOCATE, fd, mode, offset, length);
    }

    /// fdatasync(2).
    public static int fdatasync(int fd) {
        return call(FDATASYNC, fd, 0, 0, 0);
    }

    /// posix_fadvise(3), whose result is the errno, not negated.
    public static int fadvise(int fd, long offset, long length, int advice) {
        return call(POSIX_FADVISE, fd, offset, length, advice);
    }

    /// sync_file_range(2).
    public static int syncFileRange(int fd, long offset, long length, int flags) {
        return call(SYNC_FILE_RANGE, fd, offset, length, flags);
    }

    /// fstat(2) into a structure of at least 144 bytes.
    public static int fstat(int fd, MemorySegment status) {
        return call(FSTAT, fd, Libc.address(status, 144), 0, 0);
    }

    /// lseek(2).
    public static long lseek(int fd, long offset, int whence) {
        MemorySegment errno = CallSlot.current().errno();
        try {
            return Libc.longResult(
                    (long) LSEEK.invokeExact(errno, (long) fd, offset, (long) whence, 0L), errno);
        } catch (Throwable t) {
            throw Libc.unexpected(t);
        }
    }

    private static int call(MethodHandle function, long a, long b, long c, long d) {
        MemorySegment errno = CallSlot.current().errno();
        try {
            return Libc.intResult((long) function.invokeExact(errno, a, b, c, d), errno);
        } catch (Throwable t) {
            throw Libc.unexpected(t);
        }
    }
}
