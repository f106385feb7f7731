package io.xenemu.core.boot;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/// The contents of a restored guest's kernel and modules, for its reboots. They came with its saved state, so the host
/// need not have these files. They are in files without a name ([NamelessFile]).
public final class KeptBootFiles implements AutoCloseable {
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
        FileChannel file = NamelessFile.create(".boot");
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
