package io.xenemu.core.backend.block;

import com.google.common.primitives.ImmutableIntArray;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.file.FileStatus;
import io.xenemu.kvm.file.HostFile;
import io.xenemu.kvm.file.IoVectors;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// A raw image in a file, or a block device. Every operation is done on the submitting thread, which waits for it;
/// [UringStore] is for those that are not to.
///
/// The last bytes of a file that do not make a sector are not part of the disk, as with Linux's loop device.
public final class FileStore implements HandedOverStore {
    /// What direct I/O's addresses, offsets and lengths have to be multiples of. Larger than some devices need.
    private static final int DIRECT_UNIT = 4096;

    private final HostFile file;

    /// For aligned transfers past the page cache, or null.
    private final @Nullable HostFile direct;

    private final DiskFeatures features;
    private final boolean isFile;
    private volatile long bytes;

    private FileStore(
            HostFile file, @Nullable HostFile direct, FileStatus status, DiskFeatures features) {
        this.file = file;
        this.direct = direct;
        this.features = features;
        isFile = status.kind() == FileStatus.Kind.REGULAR;
        this.bytes = sectors(status);
    }

    /// Opens and locks an image: a writer alone, readers together.
    ///
    /// @param writable whether the guest may write
    /// @param directIo whether transfers go past the page cache where their addresses allow it
    /// @throws Refused if it is not a disk, cannot be opened, or another has it
    public static FileStore open(Path path, boolean writable, boolean directIo) throws Refused {
        HostFile file = opened(path, writable ? EnumSet.of(HostFile.Access.WRITE) : Set.of());
        if (writable && isDevice(path, file)) {
            file.close();
            file = opened(path, EnumSet.of(HostFile.Access.WRITE, HostFile.Access.EXCLUSIVE));
        }
        HostFile direct = null;
        boolean complete = false;
        try {
            FileStatus status = file.status();
            check(path, file, status, writable);
            if (directIo) {
                direct = openedDirect(path, writable);
            }
            FileStore store = new FileStore(file, direct, status, features(status, writable));
            complete = true;
            return store;
        } catch (KvmException e) {
            throw new Refused(path + ": " + e.getMessage());
        } finally {
            if (!complete) {
                file.close();
                if (direct != null) {
                    direct.close();
                }
            }
        }
    }

    /// Takes an image over that another process has opened and locked.
    ///
    /// @param path for messages
    /// @param descriptors those of [#descriptors]; taken over, also if this fails
    /// @throws Refused if it is not a disk
    static FileStore received(Path path, boolean writable, ImmutableIntArray descriptors)
            throws Refused {
        List<HostFile> files = descriptors.asList().stream().map(HostFile::received).toList();
        boolean complete = false;
        try {
            if (files.isEmpty() || files.size() > 2) {
                throw new Refused("%s: %d files of a disk".formatted(path, files.size()));
            }
            HostFile file = files.getFirst();
            FileStatus status = file.status();
            // Its lock is that of the open file, which came with it.
            check(path, file, status, writable);
            HostFile direct = files.size() == 1 ? null : files.getLast();
            FileStore store = new FileStore(file, direct, status, features(status, writable));
            complete = true;
            return store;
        } catch (KvmException e) {
            throw new Refused(path + ": " + e.getMessage());
        } finally {
            if (!complete) {
                files.forEach(HostFile::close);
            }
        }
    }

    @Override
    public Optional<String> stays() {
        return Optional.empty();
    }

    /// Those of its files.
    @Override
    public ImmutableIntArray descriptors() {
        HostFile past = direct;
        return past == null
                ? ImmutableIntArray.of(file.fd())
                : ImmutableIntArray.of(file.fd(), past.fd());
    }

    @Override
    public void handedOver() {
        // The files stay open in the other process, and locked.
    }

    /// Closes the file if that cannot be known.
    private static boolean isDevice(Path path, HostFile file) throws Refused {
        try {
            return file.status().kind() == FileStatus.Kind.BLOCK_DEVICE;
        } catch (KvmException e) {
            file.close();
            throw new Refused(path + ": " + e.getMessage());
        }
    }

    private static HostFile opened(Path path, Set<HostFile.Access> access) throws Refused {
        try {
            return HostFile.open(path, access);
        } catch (KvmException e) {
            throw new Refused(
                    switch (e.errno()) {
                        case Errno.ENOENT -> path + ": no such file";
                        case Errno.EISDIR -> path + " is a directory, not a disk";
                        case Errno.EACCES, Errno.EPERM -> path + ": permission denied";
                        case Errno.EROFS -> path + ": the file system is read-only";
                        case Errno.EBUSY -> path + " is in use";
                        default -> path + ": " + e.getMessage();
                    });
        }
    }

    private static HostFile openedDirect(Path path, boolean writable) throws Refused {
        try {
            return HostFile.open(
                    path,
                    writable
                            ? EnumSet.of(HostFile.Access.WRITE, HostFile.Access.DIRECT)
                            : EnumSet.of(HostFile.Access.DIRECT));
        } catch (KvmException e) {
            throw new Refused(
                    e.errno() == Errno.EINVAL
                            ? path + ": its file system has no direct I/O"
                            : path + ": " + e.getMessage());
        }
    }

    private static void check(Path path, HostFile file, FileStatus status, boolean writable)
            throws Refused {
        switch (status.kind()) {
            case REGULAR -> {}
            case BLOCK_DEVICE -> {
                if (writable && file.isReadOnlyDevice()) {
                    throw new Refused(path + " is a read-only device");
                }
            }
            case DIRECTORY -> throw new Refused(path + " is a directory, not a disk");
            case OTHER -> throw new Refused(path + " is neither a file nor a block device");
        }
        if (status.bytes() < SECTOR) {
            throw new Refused(path + " has less than one sector");
        }
        int locked = file.lock(writable);
        if (locked == -Errno.EAGAIN || locked == -Errno.EACCES) {
            throw new Refused(
                    path + " is in use: " + (writable ? "another has it open" : "another writes"));
        }
        if (locked < 0) {
            throw new KvmException("fcntl", -locked, "lock");
        }
    }

    private static DiskFeatures features(FileStatus status, boolean writable) {
        boolean file = status.kind() == FileStatus.Kind.REGULAR;
        int block = Math.max(SECTOR, Integer.highestOneBit(status.blockBytes()));
        int physical = DiskFeatures.physicalBlock(block);
        return new DiskFeatures(
                writable,
                true,
                writable,
                writable,
                status.sectorBytes(),
                physical,
                file ? block : physical);
    }

    private static long sectors(FileStatus status) {
        return status.bytes() & -SECTOR;
    }

    /// A file has neither threads nor meters.
    @Override
    public void belongsTo(PvDevice device) {}

    @Override
    public DiskFeatures features() {
        return features;
    }

    @Override
    public long bytes() {
        return bytes;
    }

    /// One call of the kernel instead of many.
    @Override
    public boolean isFasterJoined() {
        return true;
    }

    /// The kernel has them, for whoever opens the file next.
    @Override
    public boolean keepsWrites() {
        return false;
    }

    @Override
    public synchronized void resize() {
        bytes = Math.max(bytes, sectors(file.status()));
    }

    /// A block device knows no holes.
    @Override
    public long nextData(long from) {
        return isFile ? file.nextData(from) : from;
    }

    @Override
    public void submit(DiskTransfer transfer) {
        transfer.complete(carryOut(transfer));
    }

    /// Does a transfer, or what is left of it, and leaves its completion to the caller.
    ///
    /// @return 0 or an errno
    int carryOut(DiskTransfer transfer) {
        return switch (transfer.op()) {
            case READ -> move(HostFile::read, transfer);
            case WRITE -> move(HostFile::write, transfer);
            case FLUSH -> -file.sync();
            case DISCARD -> -file.punchHole(transfer.offset(), transfer.bytes());
            case WRITE_ZEROES -> -file.zeroRange(transfer.offset(), transfer.bytes());
        };
    }

    /// A call of the kernel that moves bytes between a file and memory, and maybe fewer than asked for.
    @FunctionalInterface
    private interface Move {
        long part(HostFile file, IoVectors memory, long offset);
    }

    private int move(Move move, DiskTransfer transfer) {
        IoVectors memory = transfer.memory();
        while (memory.bytes() > 0) {
            long offset = transfer.nextOffset();
            long moved = move.part(way(memory, offset), memory, offset);
            if (moved <= 0) {
                // Nothing is there: the file has been cut under its disk.
                return moved == 0 ? Errno.EIO : (int) -moved;
            }
            memory.skip(moved);
        }
        return 0;
    }

    /// Direct I/O if the transfer is aligned for it. The kernel keeps the page cache and direct I/O of one file
    /// consistent.
    HostFile way(IoVectors memory, long offset) {
        HostFile past = direct;
        return past != null && (offset & (DIRECT_UNIT - 1)) == 0 && memory.isAligned(DIRECT_UNIT)
                ? past
                : file;
    }

    /// The file, for what moves no data.
    HostFile file() {
        return file;
    }

    /// The kernel has the memory until it is done.
    @Override
    public void giveUp() {}

    @Override
    public void close() {
        if (direct != null) {
            direct.close();
        }
        file.close();
    }
}
