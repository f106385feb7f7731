package io.xenemu.xenstore.persist;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;

/// Opens a journal's files.
interface Disk {
    /// The operating system's file system.
    Disk REAL =
            new Disk() {
                @Override
                public FileChannel open(Path path, Set<? extends OpenOption> options)
                        throws IOException {
                    return FileChannel.open(
                            path,
                            options,
                            PosixFilePermissions.asFileAttribute(
                                    PosixFilePermissions.fromString("rw-------")));
                }

                @Override
                public void forceNames(FileChannel directory) throws IOException {
                    directory.force(true);
                }
            };

    /// Opens a file; a new file is accessible only to its owner.
    FileChannel open(Path path, Set<? extends OpenOption> options) throws IOException;

    /// Returns when the names in a directory are on the disk.
    void forceNames(FileChannel directory) throws IOException;
}
