package io.xenemu.core.backend.block;

import io.xenemu.core.toolstack.DiskSpec;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.file.FileStatus;
import io.xenemu.kvm.file.HostFile;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.Set;

/// Looks for a disk that another host has open, whose guest is to come here.
@FunctionalInterface
public interface DiskChecker {
    /// Images and block devices that this host sees too.
    DiskChecker FILE = DiskChecker::file;

    /// Checks that the disk could be opened here.
    ///
    /// @param bytes its size at the other host
    /// @param trusts whether the operator answers for it that both hosts see the same
    /// @return what was found, in one line for the operator
    /// @throws Refused with one line for the operator
    String check(DiskSpec disk, long bytes, boolean trusts) throws Refused;

    /// Checks that the file here can be opened, and is that of the other host: that host has locked it, and this one
    /// sees the lock. A file of the same name on a disk of this host's own has none. A block device's lock is seen only
    /// by its host, so nothing is said of that.
    private static String file(DiskSpec disk, long bytes, boolean trusts) throws Refused {
        Path path = DiskOpener.path(disk.target());
        Set<HostFile.Access> access =
                disk.writable() ? EnumSet.of(HostFile.Access.WRITE) : Set.of();
        try (HostFile file = HostFile.open(path, access)) {
            FileStatus status = file.status();
            boolean isRaw = disk.format().equals(DiskSpec.RAW);
            if (isRaw && status.bytes() < bytes) {
                throw new Refused(
                        "%s has %d bytes here, and %d there"
                                .formatted(path, status.bytes(), bytes));
            }
            return switch (status.kind()) {
                case DIRECTORY, OTHER -> throw new Refused(path + " is no disk here");
                case BLOCK_DEVICE ->
                        path + " is a block device here; that it is the same cannot be seen";
                case REGULAR -> locked(path, file, trusts);
            };
        } catch (KvmException e) {
            throw new Refused(
                    switch (e.errno()) {
                        case Errno.ENOENT -> path + ": no such file here";
                        case Errno.EISDIR -> path + " is no disk here";
                        case Errno.EACCES, Errno.EPERM -> path + ": permission denied here";
                        case Errno.EROFS -> path + ": the file system is read-only here";
                        default -> path + ": " + e.getMessage();
                    });
        }
    }

    private static String locked(Path path, HostFile file, boolean trusts) throws Refused {
        if (file.isLockedByOther()) {
            return path + " is here, and the other host's lock is seen";
        }
        if (trusts) {
            return path + " is here; the other host's lock is not seen";
        }
        throw new Refused(
                path
                        + ": the other host's lock is not seen here: it is another file, or its file system does not"
                        + " share locks (--trust-storage moves the guest all the same)");
    }
}
