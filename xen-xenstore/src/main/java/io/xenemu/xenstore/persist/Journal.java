package io.xenemu.xenstore.persist;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A store's file. [#commit] makes everything that has been done to the store survive the process, and the machine if its
/// disk keeps what `fdatasync` has confirmed.
///
/// A commit appends what has changed since the last one as one record, so that many requests share one write, and the
/// changes of a transaction are all there or none. When the file has grown to a multiple of the store's size, it is
/// written anew in the background, under another name, and takes the old one's place at once.
///
/// The file is locked as long as it is used. Thread-safe.
public final class Journal implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Journal.class);

    /// The file is written anew when it is this many times as large as when it was new ...
    private static final int GROWTH = 2;

    /// ... and this much larger, so that a small store's file is not written all the time.
    private static final int MIN_GROWTH_BYTES = 1 << 20;

    /// Records of a new file, which is read in such pieces.
    private static final int CHUNK_BYTES = 64 * 1024;

    private static final Set<StandardOpenOption> READ_WRITE =
            Set.of(StandardOpenOption.READ, StandardOpenOption.WRITE, StandardOpenOption.CREATE);

    private final Path path;
    private final JournalMetrics metrics;
    private final Renamed renamed;
    private final @Nullable StoreImage recovered;
    private final ReentrantLock lock = new ReentrantLock();
    // Guarded by the lock from here on.
    private final FileChannel opened;
    private @Nullable RecordFile file;
    private @Nullable Supplier<StoreImage> source;
    private @Nullable StoreImage durable;
    private @Nullable Consumer<IOException> onFailure;
    private @Nullable IOException failure;
    private @Nullable Thread compaction;
    private long compactAt;
    private boolean closed;

    private Journal(
            Path path,
            FileChannel opened,
            @Nullable StoreImage recovered,
            JournalMetrics metrics,
            Renamed renamed) {
        this.path = path;
        this.opened = opened;
        this.recovered = recovered;
        this.metrics = metrics;
        this.renamed = renamed;
    }

    /// Makes a rename in a directory last.
    @FunctionalInterface
    interface Renamed {
        /// Returns when it is on the disk.
        void force(FileChannel directory) throws IOException;
    }

    /// Opens and locks a file, and reads what is in it. A file that is not there or empty is made.
    ///
    /// @throws PersistException if another process uses it or it is damaged
    /// @throws IOException if it cannot be read or made
    public static Journal open(Path path, JournalMetrics metrics) throws IOException {
        return open(path, metrics, directory -> directory.force(true));
    }

    /// As [#open(Path, JournalMetrics)].
    ///
    /// @param renamed gets what is in a directory onto the disk
    static Journal open(Path path, JournalMetrics metrics, Renamed renamed) throws IOException {
        FileChannel channel = openLocked(path);
        try {
            RestoredImage image = new RestoredImage();
            long torn = RecordFile.read(channel, body -> ChangeRecord.apply(body, image));
            if (torn > 0) {
                LOG.warn("{}: ignored {} bytes of a write that was cut off", path, torn);
            }
            return new Journal(path, channel, image.image(), metrics, renamed);
        } catch (PersistException e) {
            channel.close();
            throw e;
        } catch (IOException e) {
            channel.close();
            throw new PersistException(path, String.valueOf(e.getMessage()), e);
        }
    }

    private static FileChannel openLocked(Path path) throws IOException {
        if (Files.exists(path) && !Files.isRegularFile(path)) {
            throw new PersistException(path, "not a regular file");
        }
        while (true) {
            FileChannel channel;
            try {
                channel = create(path, READ_WRITE);
            } catch (NoSuchFileException e) {
                throw new PersistException(path, "no such directory", e);
            }
            try {
                Object key = fileKey(path);
                lock(path, channel);
                // Its last user may have put a new one in its place before it was locked.
                if (Objects.equals(key, fileKey(path))) {
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

    private static FileChannel create(Path path, Set<StandardOpenOption> options)
            throws IOException {
        return FileChannel.open(
                path,
                options,
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
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

    private static Object fileKey(Path path) throws IOException {
        return Objects.requireNonNull(
                Files.readAttributes(path, BasicFileAttributes.class).fileKey());
    }

    /// The store as it was when the file was last used, or null for a new file.
    public @Nullable StoreImage recovered() {
        return recovered;
    }

    /// Starts to write: the store as it is now, and from now on its changes.
    ///
    /// @param store gives its present image; the file's lock is held then, so who holds the store's own must not call here
    /// @param failed is told once if a commit fails; the store can then acknowledge nothing any more
    public void start(Supplier<StoreImage> store, Consumer<IOException> failed) throws IOException {
        lock.lock();
        try {
            source = store;
            onFailure = failed;
            StoreImage image = store.get();
            RecordFile fresh = write(image);
            try {
                replace(fresh, image);
            } finally {
                discardUnused(fresh);
            }
        } finally {
            lock.unlock();
        }
    }

    /// Returns when what the store holds now is on the disk.
    ///
    /// @throws IOException if it cannot be written; so does every later commit
    public void commit() throws IOException {
        lock.lock();
        try {
            if (failure != null) {
                throw new IOException(failure.getMessage(), failure);
            }
            if (source == null || closed) {
                throw new IllegalStateException("not started, or closed");
            }
            StoreImage now = source.get();
            if (durable == null || !now.isSame(durable)) {
                append(now);
            }
        } finally {
            lock.unlock();
        }
    }

    private void append(StoreImage now) throws IOException {
        RecordFile to = Objects.requireNonNull(file);
        try {
            ByteBuffer changes = ChangeRecord.between(Objects.requireNonNull(durable), now);
            if (changes.hasRemaining()) {
                long start = System.nanoTime();
                to.append(changes);
                to.channel().force(false);
                metrics.committed(System.nanoTime() - start, to.size());
            }
            durable = now;
        } catch (IOException e) {
            throw failed(e);
        }
        if (to.size() > compactAt && compaction == null) {
            compactAt = threshold(to.size()); // for the next attempt, however this one ends
            compaction =
                    Thread.ofPlatform().name("xenstore-compaction").daemon().start(this::compact);
        }
    }

    /// Ends the journal's work: nothing is confirmed any more. Lock held.
    private IOException failed(IOException cause) {
        IOException told = new PersistException(path, String.valueOf(cause.getMessage()), cause);
        failure = told;
        Objects.requireNonNull(onFailure).accept(told);
        return told;
    }

    // --- a new file

    private void compact() {
        try {
            StoreImage image = Objects.requireNonNull(lockedDurable());
            RecordFile fresh = write(image);
            finishCompaction(fresh, image);
        } catch (IOException | RuntimeException | Error e) {
            // Tried again when the file has grown as much once more.
            LOG.warn("{}: cannot be written anew: {}", path, e.toString());
        } finally {
            endCompaction();
        }
    }

    private @Nullable StoreImage lockedDurable() {
        lock.lock();
        try {
            return durable;
        } finally {
            lock.unlock();
        }
    }

    private void finishCompaction(RecordFile fresh, StoreImage image) throws IOException {
        lock.lock();
        try {
            if (!closed && failure == null) {
                ByteBuffer since = ChangeRecord.between(image, Objects.requireNonNull(durable));
                if (since.hasRemaining()) {
                    fresh.append(since);
                    fresh.channel().force(false);
                }
                replace(fresh, Objects.requireNonNull(durable));
            }
        } finally {
            try {
                discardUnused(fresh);
            } finally {
                lock.unlock();
            }
        }
    }

    /// Removes a new file that has not taken the old one's place. Lock held.
    private void discardUnused(RecordFile fresh) throws IOException {
        if (file != fresh) {
            discard(fresh.channel());
        }
    }

    private void discard(FileChannel fresh) throws IOException {
        fresh.close();
        Files.deleteIfExists(freshPath());
    }

    private void endCompaction() {
        lock.lock();
        try {
            compaction = null;
        } finally {
            lock.unlock();
        }
    }

    private Path freshPath() {
        return path.resolveSibling(path.getFileName() + ".new");
    }

    /// Writes an image to a new, locked file of another name.
    private RecordFile write(StoreImage image) throws IOException {
        Path fresh = freshPath();
        Files.deleteIfExists(fresh); // of a process that was killed just here
        FileChannel channel =
                create(
                        fresh,
                        Set.of(
                                StandardOpenOption.READ,
                                StandardOpenOption.WRITE,
                                StandardOpenOption.CREATE_NEW));
        try {
            lock(fresh, channel);
            RecordFile written = RecordFile.create(channel);
            ChangeRecord.all(image, CHUNK_BYTES, written::append);
            channel.force(true);
            return written;
        } catch (IOException e) {
            discard(channel);
            throw new PersistException(path, String.valueOf(e.getMessage()), e);
        } catch (RuntimeException | Error e) {
            discard(channel);
            throw e;
        }
    }

    /// Puts a new file in place of the one so far. From the rename on it is the store's file, whatever fails: the old one
    /// has no name any more, and what is appended to it is lost. Lock held.
    ///
    /// @throws IOException if it cannot be; if that is after the rename, the journal has failed
    private void replace(RecordFile fresh, StoreImage image) throws IOException {
        Path parent = Objects.requireNonNull(path.toAbsolutePath().getParent());
        try (FileChannel directory = FileChannel.open(parent, StandardOpenOption.READ)) {
            Files.move(freshPath(), path, StandardCopyOption.ATOMIC_MOVE);
            FileChannel old = file == null ? opened : file.channel();
            file = fresh;
            durable = image;
            compactAt = threshold(fresh.size());
            metrics.size(fresh.size());
            try (old) {
                renamed.force(directory);
            } catch (IOException e) {
                throw failed(e); // a machine that stops now may come up with the old file
            }
        }
    }

    private static long threshold(long size) {
        return Math.max(size * GROWTH, size + MIN_GROWTH_BYTES);
    }

    /// Commits, and lets go of the file.
    @Override
    public void close() throws IOException {
        Thread running;
        lock.lock();
        try {
            if (closed) {
                return;
            }
            if (source != null && failure == null) {
                commit();
            }
        } finally {
            closed = true;
            running = compaction;
            lock.unlock();
        }
        try {
            if (running != null) {
                running.join();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        (file == null ? opened : file.channel()).close();
    }
}
