package io.xenemu.core.boot;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/// The contents of a restored guest's kernel and modules, for its reboots. They came with its saved state, so the host
/// need not have these files. They are on a disk, in files without a name: nothing is left of them when the service
/// ends, in whatever way.
public final class KeptBootFiles implements AutoCloseable {
    /// A folder on a disk, also on hosts whose other temporary files are in memory.
    private static final Path ON_DISK = Path.of("/var/tmp");

    private final List<Kept> files = new ArrayList<>();

    /// A file of the host where the guest was saved.
    ///
    /// @param path its path there
    /// @param content stays open; only absolute positions of it are read
    public record Kept(String path, FileChannel content) {}

    /// Adds a file that is empty yet: the kernel first, and then the modules.
    ///
    /// @return takes its content
    public WritableByteChannel add(String path) throws IOException {
        Path name =
                Files.isWritable(ON_DISK)
                        ? Files.createTempFile(ON_DISK, "xen-emu-", ".boot")
                        : Files.createTempFile("xen-emu-", ".boot");
        FileChannel file;
        try {
            file = FileChannel.open(name, StandardOpenOption.READ, StandardOpenOption.WRITE);
        } finally {
            Files.delete(name);
        }
        files.add(new Kept(path, file));
        return new Content(file);
    }

    /// Writes a file that stays open.
    private record Content(FileChannel file) implements WritableByteChannel {
        @Override
        public int write(ByteBuffer source) throws IOException {
            return file.write(source);
        }

        @Override
        public boolean isOpen() {
            return file.isOpen();
        }

        @Override
        public void close() {}
    }

    /// The files, the kernel first.
    public List<Kept> files() {
        return Collections.unmodifiableList(files);
    }

    @Override
    public void close() {
        for (Kept file : files) {
            try {
                file.content().close();
            } catch (IOException e) {
                // It has no name, so nobody misses what was not written.
            }
        }
        files.clear();
    }
}
