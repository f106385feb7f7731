package io.xenemu.core.backend.block;

import com.google.common.primitives.ImmutableIntArray;
import io.xenemu.core.toolstack.DiskAio;
import io.xenemu.core.toolstack.DiskSpec;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.KvmException;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;

/// Opens the store of a disk that an operator has specified.
@FunctionalInterface
public interface DiskOpener {
    /// Raw images and block devices. The guest's data goes past the page cache if the disk is `direct-io-safe`.
    DiskOpener RAW =
            disk ->
                    raw(
                            path(disk.target()),
                            disk.writable(),
                            disk.directIoSafe(),
                            disk.serving().aio());

    /// Opens a raw image or a block device.
    ///
    /// @param direct whether the guest's data goes past the page cache
    /// @throws Refused with one line for the operator, also if the kernel does not have what `aio` asks for
    static DiskStore raw(Path path, boolean writable, boolean direct, DiskAio aio) throws Refused {
        return of(FileStore.open(path, writable, direct), path, writable, direct, aio);
    }

    /// Takes over a disk that another process of this service has opened. Here that is a raw one: see [#raw].
    ///
    /// @param descriptors as [HandedOverStore#descriptors] gives them; taken over, also if this fails
    /// @throws Refused with one line for the operator
    default DiskStore received(DiskSpec disk, ImmutableIntArray descriptors) throws Refused {
        Path path = path(disk.target());
        return of(
                FileStore.received(path, disk.writable(), descriptors),
                path,
                disk.writable(),
                disk.directIoSafe(),
                disk.serving().aio());
    }

    private static DiskStore of(
            FileStore files, Path path, boolean writable, boolean direct, DiskAio aio)
            throws Refused {
        boolean isAll = direct || aio == DiskAio.IO_URING;
        if (aio == DiskAio.SYNC || (!isAll && !writable)) {
            return files;
        }
        try {
            return new UringStore(files, isAll ? UringStore.Mode.ALL : UringStore.Mode.SLOW);
        } catch (KvmException e) {
            if (aio == DiskAio.AUTO) {
                return files;
            }
            files.close();
            throw new Refused(path + ": the kernel gives no io_uring: " + e.getMessage());
        }
    }

    /// The path that an operator has given.
    ///
    /// @throws Refused if no file can have it
    static Path path(String target) throws Refused {
        try {
            return Path.of(target);
        } catch (InvalidPathException e) {
            throw new Refused("no file can have the disk's path: " + e.getReason());
        }
    }

    /// Opens and locks it.
    ///
    /// @throws Refused with one line for the operator
    DiskStore open(DiskSpec disk) throws Refused;
}
