package io.xenemu.core.boot;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/// Files without a name, for contents that the service has too much of for its memory. They are on a disk, and nothing
/// is left of them when the service ends, in whatever way.
public final class NamelessFile {
    /// A folder on a disk, also on hosts whose other temporary files are in memory.
    private static final Path ON_DISK = Path.of("/var/tmp");

    private NamelessFile() {}

    /// Makes a file that is empty yet.
    ///
    /// @param suffix tells its purpose while it has a name
    public static FileChannel create(String suffix) throws IOException {
        Path name =
                Files.isWritable(ON_DISK)
                        ? Files.createTempFile(ON_DISK, "xen-emu-", suffix)
                        : Files.createTempFile("xen-emu-", suffix);
        try {
            return FileChannel.open(name, StandardOpenOption.READ, StandardOpenOption.WRITE);
        } finally {
            Files.delete(name);
        }
    }
}
