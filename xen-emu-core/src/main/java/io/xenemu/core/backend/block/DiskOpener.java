package io.xenemu.core.backend.block;

import io.xenemu.core.toolstack.DiskSpec;
import io.xenemu.core.toolstack.Refused;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;

/// Opens the store of a disk that an operator has specified.
@FunctionalInterface
public interface DiskOpener {
    /// Raw images and block devices. The guest's data goes past the page cache if the disk is `direct-io-safe`.
    DiskOpener RAW =
            disk -> FileStore.open(path(disk.target()), disk.writable(), disk.directIoSafe());

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
