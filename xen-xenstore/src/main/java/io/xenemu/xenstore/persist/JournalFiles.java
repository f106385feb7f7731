package io.xenemu.xenstore.persist;

import io.xenemu.kvm.abi.IoReason;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Objects;
import java.util.Set;

/// The names of a store's file: its own, and that of a new file beside it (`.new`), which is renamed to it when
/// complete. A file in use is locked by its user. [RecordFile] defines the contents. Not thread-safe.
final class JournalFiles {
    private static final Set<StandardOpenOption> READ_WRITE =
            Set.of(StandardOpenOption.READ, StandardOpenOption.WRITE, StandardOpenOption.CREATE);

    private static final Set<StandardOpenOption> NEW =
            Set.of(
                    StandardOpenOption.READ,
                    StandardOpenOption.WRITE,
                    StandardOpenOption.CREATE_NEW);

    private final Path path;
    private final Path fresh;
    private final Disk disk;

    /// @param path the store's file
    JournalFiles(Path path, Disk disk) {
        this.path = path;
        this.fresh = path.resolveSibling(path.getFileName() + ".new");
        this.disk = disk;
    }

    /// Opens and locks the store's file; makes it if it does not exist.
    ///
    /// @throws PersistException if another process uses it, or it cannot be opened
    FileChannel open() throws IOException {
        if (Files.exists(path) && !Files.isRegularFile(path)) {
            throw new PersistException(path, "not a regular file");
        }
        while (true) {
            FileChannel channel;
            try {
                channel = disk.open(path, READ_WRITE);
            } catch (NoSuchFileException e) {
                throw new PersistException(path, "no such directory", e);
            } catch (IOException e) {
                throw new PersistException(path, IoReason.withoutFile(e), e);
            }
            try {
                Object key = key(path);
                lock(path, channel);
                // Its last user may have renamed a new file to this name before the lock was
                // taken.
                if (Objects.equals(key, key(path))) {
                    return channel;
                }
                channel.close();
            } catch (NoSuchFileException e) {
                channel.close();
            } catch (IOException e) {
                channel.close();
                throw e;
            }
        }
    }

    private static void lock(Path path, FileChannel channel) throws IOException {
        try {
            if (channel.tryLock() != null) {
                return;
            }
        } catch (OverlappingFileLockException e) {
            throw new PersistException(path, "in use by this process", e);
        }
        throw new PersistException(path, "in use by another process");
    }

    private static Object key(Path path) throws IOException {
        return Objects.requireNonNull(
                Files.readAttributes(path, BasicFileAttributes.class).fileKey());
    }

    /// Makes and locks an empty new file. Replaces one that a killed process has left.
    FileChannel create() throws IOException {
        removeNew();
        FileChannel channel = disk.open(fresh, NEW);
        try {
            lock(fresh, channel);
            return channel;
        } catch (IOException | RuntimeException e) {
            discard(channel);
            throw e;
        }
    }

    /// Removes a new file, if there is one.
    void removeNew() throws IOException {
        Files.deleteIfExists(fresh);
    }

    /// Removes a new file that will not be renamed to the store's.
    void discard(FileChannel channel) throws IOException {
        channel.close();
        removeNew();
    }

    /// The path of the new file, for messages.
    Path newPath() {
        return fresh;
    }

    /// Renames the new file to the store's file, whose old version then has no name any more.
    void putNewInPlace() throws IOException {
        Files.move(fresh, path, StandardCopyOption.ATOMIC_MOVE);
    }

    /// The directory of both, for [#force(FileChannel)].
    FileChannel openDirectory() throws IOException {
        Path parent = Objects.requireNonNull(path.toAbsolutePath().getParent());
        return FileChannel.open(parent, StandardOpenOption.READ);
    }

    /// Returns when the names are on the disk.
    ///
    /// @param directory from [#openDirectory]
    void force(FileChannel directory) throws IOException {
        disk.forceNames(directory);
    }

    /// Bytes that the disk has left for this process.
    long usableSpace() throws IOException {
        return Files.getFileStore(path).getUsableSpace();
    }
}
