package io.xenemu.core.boot;

import com.google.common.util.concurrent.Uninterruptibles;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;

/// The contents of a restored guest's kernel and modules, for its reboots. They came with its saved state, so the host
/// need not have these files. They are in files without a name ([NamelessFile]).
///
/// A guest that runs before its saved file was read gets them meanwhile, on another thread.
public final class KeptBootFiles implements AutoCloseable {
    private final List<Kept> files = new CopyOnWriteArrayList<>();

    /// Nothing is awaited unless contents come later.
    private volatile CountDownLatch missing = new CountDownLatch(0);

    /// A file of the host where the guest was saved.
    ///
    /// @param path its path there
    /// @param content stays open; only absolute positions of it are read
    public record Kept(String path, FileChannel content) {}

    private volatile boolean areLost;

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

    /// The paths of the files, the kernel first.
    public List<String> paths() {
        return files.stream().map(Kept::path).toList();
    }

    /// The files, the kernel first. Waits for contents that come later.
    public List<Kept> files() {
        Uninterruptibles.awaitUninterruptibly(missing);
        return Collections.unmodifiableList(files);
    }

    /// Lets the contents of all files come later, until [#haveCome].
    public void comeLater() {
        missing = new CountDownLatch(1);
    }

    /// The places for the contents that come later, the kernel's first.
    public List<WritableByteChannel> places() {
        return files.stream()
                .map(file -> (WritableByteChannel) new Content(file.content()))
                .toList();
    }

    /// Ends the wait for the contents.
    ///
    /// @param whole whether all have come and are right; otherwise they are of no use
    public void haveCome(boolean whole) {
        areLost = !whole;
        missing.countDown();
    }

    /// Whether the contents have not come, so that the guest cannot boot. Waits for contents that come later.
    public boolean areLost() {
        Uninterruptibles.awaitUninterruptibly(missing);
        return areLost;
    }

    @Override
    public void close() {
        missing.countDown();
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
