package io.xenemu.kvm.file;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.libc.AtCalls;
import io.xenemu.kvm.libc.FileCalls;
import io.xenemu.kvm.libc.Libc;
import io.xenemu.kvm.libc.OwnedFd;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Set;

/// An open file or block device of the host. Safe for any number of threads; only opening and [#status] allocate.
///
/// Transfers can be shorter than asked for, as the kernel's are. Calls that a signal interrupts are made again.
public final class HostFile implements AutoCloseable {
    /// How a file is opened. Without [#WRITE] it can only be read.
    public enum Access {
        /// For writing too.
        WRITE(OpenFlags.O_RDWR),
        /// Past the page cache (`O_DIRECT`): offsets, lengths and addresses must be multiples of its unit.
        DIRECT(OpenFlags.O_DIRECT),
        /// Each write is at the end, whatever its offset is (`O_APPEND`).
        APPEND(OpenFlags.O_APPEND),
        /// A block device only if nobody else uses it, such as by a mount (`O_EXCL`).
        EXCLUSIVE(OpenFlags.O_EXCL);

        private final int flag;

        Access(int flag) {
            this.flag = flag;
        }
    }

    private static final int AT_FDCWD = -100;
    private static final int OWNER_ONLY = 0600;
    private static final int STAT_BYTES = 144;
    private static final long ST_MODE = 24;
    private static final long ST_SIZE = 48;
    private static final long ST_BLKSIZE = 56;

    // linux/fs.h
    private static final long BLKGETSIZE64 = 0x8008_1272L;
    private static final long BLKSSZGET = 0x1268;
    private static final long BLKPBSZGET = 0x127b;
    private static final long BLKROGET = 0x125e;

    private static final long ST_BLOCKS = 64;

    private static final int SECTOR = 512;

    // linux/fs.h
    private static final int SEEK_DATA = 3;

    // linux/falloc.h
    private static final int FALLOC_FL_KEEP_SIZE = 1;
    private static final int FALLOC_FL_PUNCH_HOLE = 2;
    private static final int FALLOC_FL_ZERO_RANGE = 0x10;

    // linux/fadvise.h
    private static final int POSIX_FADV_DONTNEED = 4;

    /// The mode of [#punchHole].
    static final int PUNCH_HOLE = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

    /// The mode of [#zeroRange].
    static final int ZERO_RANGE = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;

    // linux/fs.h
    private static final int SYNC_FILE_RANGE_WAIT_BEFORE = 1;
    private static final int SYNC_FILE_RANGE_WRITE = 2;
    private static final int SYNC_FILE_RANGE_WAIT_AFTER = 4;

    /// The mode of [#writeOut] that waits.
    static final int WRITE_AND_WAIT =
            SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;

    private final OwnedFd fd;

    private HostFile(OwnedFd fd) {
        this.fd = fd;
    }

    /// Opens a file that exists. Opening never waits, whatever is there.
    ///
    /// @throws KvmException with open(2)'s errno
    public static HostFile open(Path path, Set<Access> access) {
        int flags = OpenFlags.O_CLOEXEC | OpenFlags.O_NONBLOCK;
        for (Access a : access) {
            flags |= a.flag;
        }
        return new HostFile(OwnedFd.of("open", Libc.open(path.toString(), flags), path.toString()));
    }

    /// Makes a named pipe, which only this user can open (`mknodat`).
    ///
    /// @throws KvmException with mknod(2)'s errno
    public static void makePipe(Path path) {
        try (Arena arena = Arena.ofConfined()) {
            int result =
                    AtCalls.mknodat(
                            AT_FDCWD,
                            arena.allocateFrom(path.toString()),
                            OpenFlags.S_IFIFO | OWNER_ONLY,
                            0);
            if (result < 0) {
                throw new KvmException("mknod", -result, path.toString());
            }
        }
    }

    /// Takes over the descriptor of a file that another process has sent.
    public static HostFile received(int descriptor) {
        return new HostFile(OwnedFd.of("recvmsg", descriptor, ""));
    }

    /// The descriptor's number, to send to another process. This object keeps the ownership.
    public int fd() {
        return fd.number();
    }

    /// What the file is, and how large now.
    ///
    /// @throws KvmException if the host cannot tell
    public FileStatus status() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment stat = arena.allocate(STAT_BYTES, Long.BYTES);
            check("fstat", FileCalls.fstat(fd.number(), stat));
            return switch (stat.get(JAVA_INT, ST_MODE) & OpenFlags.S_IFMT) {
                case OpenFlags.S_IFREG ->
                        new FileStatus(
                                FileStatus.Kind.REGULAR,
                                stat.get(JAVA_LONG, ST_SIZE),
                                Math.toIntExact(stat.get(JAVA_LONG, ST_BLKSIZE)),
                                SECTOR);
                case OpenFlags.S_IFBLK -> blockDevice(arena);
                case OpenFlags.S_IFDIR -> other(FileStatus.Kind.DIRECTORY);
                default -> other(FileStatus.Kind.OTHER);
            };
        }
    }

    /// The bytes of a file that are on its file system: those of holes are not.
    ///
    /// @throws KvmException if the host cannot tell
    public long allocatedBytes() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment stat = arena.allocate(STAT_BYTES, Long.BYTES);
            check("fstat", FileCalls.fstat(fd.number(), stat));
            return stat.get(JAVA_LONG, ST_BLOCKS) * SECTOR;
        }
    }

    /// The offset from `from` on at which the file has data next (`SEEK_DATA`). What is before it is a hole, which
    /// reads as zeros. A file system that knows no holes answers `from`.
    ///
    /// @return `Long.MAX_VALUE` if there is only a hole up to the end
    /// @throws KvmException if the host cannot tell
    public long nextData(long from) {
        long at = FileCalls.lseek(fd.number(), from, SEEK_DATA);
        if (at == -Errno.ENXIO) {
            return Long.MAX_VALUE;
        }
        if (at < 0) {
            throw new KvmException("lseek", (int) -at);
        }
        return at;
    }

    private static FileStatus other(FileStatus.Kind kind) {
        return new FileStatus(kind, 0, SECTOR, SECTOR);
    }

    private FileStatus blockDevice(Arena arena) {
        MemorySegment answer = arena.allocate(Long.BYTES, Long.BYTES);
        check("BLKGETSIZE64", Libc.ioctl(fd.number(), BLKGETSIZE64, answer));
        long bytes = answer.get(JAVA_LONG, 0);
        check("BLKSSZGET", Libc.ioctl(fd.number(), BLKSSZGET, answer));
        int sector = answer.get(JAVA_INT, 0);
        check("BLKPBSZGET", Libc.ioctl(fd.number(), BLKPBSZGET, answer));
        return new FileStatus(FileStatus.Kind.BLOCK_DEVICE, bytes, answer.get(JAVA_INT, 0), sector);
    }

    /// Whether a block device refuses writes. Others than block devices do not.
    public boolean isReadOnlyDevice() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment answer = arena.allocate(Long.BYTES, Long.BYTES);
            return Libc.ioctl(fd.number(), BLKROGET, answer) == 0 && answer.get(JAVA_INT, 0) != 0;
        }
    }

    /// Locks the whole file against other open descriptions, in this process or others, until it is closed
    /// (`F_OFD_SETLK`). Does not wait. QEMU's locks on images are of this kind too.
    ///
    /// @param exclusive against readers too; the file must be open for writing
    /// @return 0, or a negated errno: `EAGAIN` or `EACCES` if another has it
    public int lock(boolean exclusive) {
        try (Arena arena = Arena.ofConfined()) {
            RecordLock lock = new RecordLock(arena);
            lock.set(exclusive ? RecordLock.F_WRLCK : RecordLock.F_RDLCK, 0, 0);
            return Libc.fcntl(fd.number(), RecordLock.F_OFD_SETLK, lock.memory().address());
        }
    }

    /// Whether another open description has a lock on any byte, of either kind (`F_OFD_GETLK`). Takes none.
    ///
    /// @throws KvmException if the file system cannot tell
    public boolean isLockedByOther() {
        try (Arena arena = Arena.ofConfined()) {
            RecordLock lock = new RecordLock(arena);
            lock.set(RecordLock.F_WRLCK, 0, 0);
            check(
                    "fcntl",
                    Libc.fcntl(fd.number(), RecordLock.F_OFD_GETLK, lock.memory().address()));
            return lock.type() != RecordLock.F_UNLCK;
        }
    }

    /// preadv(2) into all vectors.
    ///
    /// @return bytes read, which may be fewer; 0 at the end; or a negated errno
    public long read(IoVectors into, long offset) {
        long result;
        do {
            result = FileCalls.preadv(fd.number(), into.arrayAddress(), into.count(), offset);
        } while (result == -Errno.EINTR);
        return result;
    }

    /// pwritev(2) from all vectors.
    ///
    /// @return bytes written, which may be fewer, or a negated errno
    public long write(IoVectors from, long offset) {
        long result;
        do {
            result = FileCalls.pwritev(fd.number(), from.arrayAddress(), from.count(), offset);
        } while (result == -Errno.EINTR);
        return result;
    }

    /// A preadv(2) or pwritev(2), which may move a part only.
    @FunctionalInterface
    private interface Move {
        long part(HostFile file, IoVectors memory, long offset);
    }

    /// Reads until all vectors are full, and takes out of them what was read.
    ///
    /// @return 0; EIO at the end of the file; or another errno
    public int readAll(IoVectors into, long offset) {
        return all(HostFile::read, into, offset);
    }

    /// Writes all vectors, and takes out of them what was written.
    ///
    /// @return 0 or an errno
    public int writeAll(IoVectors from, long offset) {
        return all(HostFile::write, from, offset);
    }

    private int all(Move move, IoVectors memory, long from) {
        long offset = from;
        while (memory.bytes() > 0) {
            long moved = move.part(this, memory, offset);
            if (moved <= 0) {
                return moved == 0 ? Errno.EIO : Math.toIntExact(-moved);
            }
            memory.skip(moved);
            offset += moved;
        }
        return 0;
    }

    /// fdatasync(2): returns when all data written so far, by any descriptor, is on the disk.
    ///
    /// @return 0 or a negated errno
    public int sync() {
        int result;
        do {
            result = FileCalls.fdatasync(fd.number());
        } while (result == -Errno.EINTR);
        return result;
    }

    /// Drops the file's pages from the page cache, but for those that are not written yet, or are mapped. They are read
    /// anew when they are next needed.
    ///
    /// @return 0 or a negated errno
    public int forgetCached() {
        return -FileCalls.fadvise(fd.number(), 0, 0, POSIX_FADV_DONTNEED);
    }

    /// sync_file_range(2): lets the disk begin to write what the page cache has of a range. That is no [#sync]: nothing
    /// lasts by it.
    ///
    /// @param waits until the disk has taken it
    /// @return 0 or a negated errno
    public int writeOut(long offset, long bytes, boolean waits) {
        int result;
        do {
            result =
                    FileCalls.syncFileRange(
                            fd.number(),
                            offset,
                            bytes,
                            waits ? WRITE_AND_WAIT : SYNC_FILE_RANGE_WRITE);
        } while (result == -Errno.EINTR);
        return result;
    }

    /// Frees the blocks of a range; it reads as zeros afterwards and the size stays. For a block device too, if it can
    /// discard and then reads zeros.
    ///
    /// @return 0 or a negated errno, such as `EOPNOTSUPP`
    public int punchHole(long offset, long bytes) {
        return allocate(PUNCH_HOLE, offset, bytes);
    }

    /// Makes a range read as zeros, without writing them where the file system can; its blocks stay reserved.
    ///
    /// @return 0 or a negated errno, such as `EOPNOTSUPP`
    public int zeroRange(long offset, long bytes) {
        return allocate(ZERO_RANGE, offset, bytes);
    }

    private int allocate(int mode, long offset, long bytes) {
        int result;
        do {
            result = FileCalls.fallocate(fd.number(), mode, offset, bytes);
        } while (result == -Errno.EINTR);
        return result;
    }

    /// The descriptor's number.
    int number() {
        return fd.number();
    }

    private static void check(String call, int result) {
        if (result < 0) {
            throw new KvmException(call, -result);
        }
    }

    @Override
    public void close() {
        fd.close();
    }
}
