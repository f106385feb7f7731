package io.xenemu.kvm.file;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// A file that is written beside an earlier one of its name, and replaces it when it is complete. Until then, and if
/// anything fails, the earlier file stays as it was. Only the owner may read it (mode 0600).
public final class NewFile implements AutoCloseable {
    private static final String PARTIAL = ".partial";

    private final Path target;
    private final Path partial;
    private final RandomAccessFile file;
    private @Nullable PacedFile paced;
    private boolean complete;

    /// Makes the file under a temporary name in the same folder.
    ///
    /// @throws IOException if it cannot be made, or there is something of that name that is not a file
    public NewFile(Path target) throws IOException {
        if (Files.exists(target) && !Files.isRegularFile(target)) {
            throw new FileSystemException(target.toString(), null, "it is not a regular file");
        }
        Path name = target.getFileName();
        Path folder = target.toAbsolutePath().getParent();
        if (name == null || folder == null) {
            throw new FileSystemException(target.toString(), null, "it is not a file");
        }
        this.target = target;
        // Makes a file of mode 0600.
        partial = Files.createTempFile(folder, name + ".", PARTIAL);
        try {
            file = new RandomAccessFile(partial.toFile(), "rw");
        } catch (IOException e) {
            Files.deleteIfExists(partial);
            throw e;
        }
    }

    /// Whether a file of this name is one that was not complete: it stays if its process is killed.
    ///
    /// @param name without its folder
    public static boolean isPartial(String name) {
        return name.endsWith(PARTIAL);
    }

    /// Writes to the file, from its beginning on.
    public FileChannel channel() {
        return file.getChannel();
    }

    /// Writes to the file, from its beginning on, while the disk writes what came before. For files that are long, and
    /// whose end is waited for. Only one thread uses it, and nobody [#channel]; others may close the file.
    ///
    /// @throws IOException if the file is gone already
    public WritableByteChannel paced() throws IOException {
        try {
            PacedFile made = new PacedFile(file.getChannel(), HostFile.open(partial, Set.of()));
            paced = made;
            return made;
        } catch (KvmException e) {
            throw new IOException(partial + ": " + Errno.name(e.errno()), e);
        }
    }

    /// Makes the file longer, by a hole.
    public void setLength(long bytes) throws IOException {
        file.setLength(bytes);
    }

    /// Writes all to the disk, and renames the file to its final name.
    public void complete() throws IOException {
        file.getChannel().force(true);
        file.close();
        Files.move(partial, target, StandardCopyOption.ATOMIC_MOVE);
        complete = true;
        try (FileChannel folder =
                FileChannel.open(
                        target.toAbsolutePath().resolveSibling("."), StandardOpenOption.READ)) {
            folder.force(true);
        }
    }

    /// Closes the file, and removes it if it is not complete.
    @Override
    public void close() throws IOException {
        file.close();
        if (paced != null) {
            paced.close();
        }
        if (!complete) {
            Files.deleteIfExists(partial);
        }
    }
}
