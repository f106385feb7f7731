package io.xenemu.core.backend.block;

import io.xenemu.core.toolstack.DiskSpec;
import io.xenemu.core.toolstack.Refused;
import java.nio.file.Path;

/// Opens the store of a disk that an operator has specified.
@FunctionalInterface
public interface DiskOpener {
    /// Raw images and block devices. The guest's data goes past the page cache if the disk is `direct-io-safe`.
    DiskOpener RAW =
            disk -> FileStore.open(Path.of(disk.target()), disk.writable(), disk.directIoSafe());

    /// Opens and locks it.
    ///
    /// @throws Refused with one line for the operator
    DiskStore open(DiskSpec disk) throws Refused;
}
