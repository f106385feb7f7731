package io.xenemu.core.backend.block;

import io.xenemu.core.backend.BackendKind;
import io.xenemu.core.toolstack.DiskSpec;
import io.xenemu.core.toolstack.Refused;
import java.nio.file.Path;

/// Makes the disks of guests that come with the content of their disks.
public interface DiskCopier {
    /// Makes sparse raw images in files. A disk that is only read, and is there already, is compared with what comes.
    DiskCopier FILE =
            new DiskCopier() {
                @Override
                public BackendKind.CopyPlace place(
                        DiskSpec disk, long bytes, long taken, boolean replaces) throws Refused {
                    Path path = DiskOpener.path(disk.target());
                    return isCompared(disk, path, bytes)
                            ? IncomingFile.comparison(path)
                            : IncomingFile.place(path, bytes, taken, replaces);
                }

                @Override
                public BackendKind.IncomingDisk copy(DiskSpec disk, long bytes, boolean replaces)
                        throws Refused {
                    Path path = DiskOpener.path(disk.target());
                    return isCompared(disk, path, bytes)
                            ? ComparedFile.open(path, bytes)
                            : IncomingFile.make(path, bytes, replaces);
                }

                private boolean isCompared(DiskSpec disk, Path path, long bytes) throws Refused {
                    return !disk.writable()
                            && ComparedFile.isThere(path, bytes)
                            && !IncomingFile.isLeft(path);
                }
            };

    /// Checks that a copy could be made.
    ///
    /// @param bytes its size
    /// @param taken what the disk takes at the other host, without its holes
    /// @param replaces whether it may take the place of a file that is there
    /// @throws Refused with one line for the operator
    BackendKind.CopyPlace place(DiskSpec disk, long bytes, long taken, boolean replaces)
            throws Refused;

    /// Begins a copy.
    ///
    /// @param bytes its size
    /// @param replaces as for [#place]
    /// @throws Refused with one line for the operator
    BackendKind.IncomingDisk copy(DiskSpec disk, long bytes, boolean replaces) throws Refused;
}
