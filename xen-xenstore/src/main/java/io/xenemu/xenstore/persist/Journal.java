package io.xenemu.xenstore.persist;

import io.xenemu.kvm.abi.IoReason;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.Objects;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A store's file. [#commit] makes all changes of the store survive the process, and the machine if its disk keeps
/// what `fdatasync` has confirmed.
///
/// A commit appends the changes since the last one as one record. So many requests share one write, and the changes of
/// a transaction are all in the file or none is. The file is written again when it has grown to a multiple of the
/// store's size and the disk has room. A background thread writes it under another name, and renames it atomically to
/// the old one.
///
/// A change is made only after it has reserved room ([#promise]), so a full disk refuses changes and undoes none. A
/// file that contains a store is used as it is: starting needs no room.
///
/// The file is locked while it is used. Thread-safe.
public final class Journal implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(Journal.class);

    /// The file is written again when it is this many times as large as when it was new ...
    private static final int GROWTH = 2;

    /// ... and this much larger, so that a small store's file is not written all the time.
    private static final int MIN_GROWTH_BYTES = 1 << 20;

    /// The size of a new file's records, which limits the pieces in which it is read.
    private static final int CHUNK_BYTES = 64 * 1024;

    private final Path path;
    private final JournalMetrics metrics;
    private final JournalFiles files;
    private final @Nullable StoreImage recovered;
    private final FileRoom room;
    private final ReentrantLock lock = new ReentrantLock();
    // Guarded by the lock from here on.
    private RecordFile file;
    private @Nullable Supplier<StoreImage> source;
    private @Nullable StoreImage durable;
    private @Nullable Consumer<IOException> onFailure;
    private @Nullable IOException failure;
    private @Nullable Thread compaction;
    private long compactAt;
    private boolean closed;

    private Journal(
            Path path,
            RecordFile file,
            @Nullable StoreImage recovered,
            JournalMetrics metrics,
            JournalFiles files) {
        this.path = path;
        this.file = file;
        this.room = new FileRoom(path, file, metrics);
        this.recovered = recovered;
        this.metrics = metrics;
        this.files = files;
    }

    /// Opens and locks a file, and reads its contents. Makes a missing or empty file.
    ///
    /// @throws PersistException if another process uses it or it is damaged
    /// @throws IOException if it cannot be read or made
    public static Journal open(Path path, JournalMetrics metrics) throws IOException {
        return open(path, metrics, Disk.REAL);
    }

    /// Opens and locks a file on any disk: see [#open(Path, JournalMetrics)].
    static Journal open(Path path, JournalMetrics metrics, Disk disk) throws IOException {
        JournalFiles files = new JournalFiles(path, disk);
        FileChannel channel = files.open();
        try {
            RestoredImage image = new RestoredImage();
            RecordReader.Contents contents =
                    RecordReader.read(channel, body -> ChangeRecord.apply(body, image));
            if (contents.torn() > 0) {
                log.warn("{}: ignored {} bytes of a write that was cut off", path, contents.torn());
            }
            RecordFile file = RecordFile.resume(channel, contents);
            metrics.size(file.length());
            return new Journal(path, file, image.image(), metrics, files);
        } catch (PersistException e) {
            channel.close();
            throw e;
        } catch (IOException e) {
            channel.close();
            throw new PersistException(path, IoReason.withoutFile(e), e);
        }
    }

    /// The store as it was when the file was last used, or null for a new file.
    public @Nullable StoreImage recovered() {
        return recovered;
    }

    /// Starts writing: first what the store has and the file lacks, then every change.
    ///
    /// @param store returns its current image. The journal's lock is held then, so the caller must not hold the
    ///     store's lock
    /// @param failed called once if a commit fails; the store can then confirm nothing any more
    /// @throws IOException if the file cannot be written. Lack of room is an error only if the file is empty and the
    ///     store is not
    public void start(Supplier<StoreImage> store, Consumer<IOException> failed) throws IOException {
        lock.lock();
        try {
            source = store;
            onFailure = failed;
            removeLeftover();
            StoreImage now = store.get();
            long wholeSize = ChangeRecord.size(now);
            if (recovered != null) {
                durable = recovered;
                catchUp(recovered, now);
            } else if (wholeSize > RecordFile.MAX_BODY_BYTES) {
                replaceBy(now);
            } else {
                durable = StoreImage.EMPTY;
                writeFirst(now);
            }
            compactAt = threshold(wholeSize);
            compactIfLarge();
        } finally {
            lock.unlock();
        }
    }

    private void removeLeftover() {
        try {
            files.removeNew(); // of a process that was killed just here
        } catch (IOException e) {
            log.warn("{}: cannot be removed: {}", files.newPath(), e.toString());
        }
    }

    /// A store that was read from the file usually has nothing more.
    private void catchUp(StoreImage before, StoreImage now) throws IOException {
        if (append(ChangeRecord.between(before, now))) {
            durable = now;
        }
    }

    /// Marks an empty file as a store's, if there is room.
    private void writeFirst(StoreImage now) throws IOException {
        if (append(ChangeRecord.between(StoreImage.EMPTY, now, true))) {
            durable = now;
        } else if (ChangeRecord.between(StoreImage.EMPTY, now).hasRemaining()) {
            throw new PersistException(path, "no room for the store");
        }
        forceName();
    }

    private void replaceBy(StoreImage image) throws IOException {
        RecordFile fresh = write(image);
        try {
            replace(fresh, image);
        } finally {
            discardUnused(fresh);
        }
    }

    /// Reserves room in the file for a change that is about to be made. The caller may hold the store's lock.
    ///
    /// @param bytes the most that the change takes ([RecordSize])
    /// @return false if there is no room; the change must not be made then
    public boolean promise(long bytes) {
        return room.promise(bytes);
    }

    /// Returns when everything that the store holds now is on the disk.
    ///
    /// @return false if there is no room, on a disk that does not keep reserved room. Then no change since the last
    ///     commit may be reported to a client until a later commit succeeds
    /// @throws IOException if it cannot be written; every later commit then throws too
    public boolean commit() throws IOException {
        lock.lock();
        try {
            if (failure != null) {
                throw new IOException(failure.getMessage(), failure);
            }
            if (source == null || closed) {
                throw new IllegalStateException("not started, or closed");
            }
            long promised = room.promised();
            StoreImage now = source.get();
            StoreImage before = Objects.requireNonNull(durable);
            if (!now.isSame(before)) {
                if (!append(ChangeRecord.between(before, now))) {
                    return false;
                }
                durable = now;
                compactIfLarge();
            }
            room.written(promised);
            return true;
        } finally {
            lock.unlock();
        }
    }

    /// Writes changes to the disk; returns whether there was room.
    private boolean append(ByteBuffer changes) throws IOException {
        if (!changes.hasRemaining()) {
            return true;
        }
        long start = System.nanoTime();
        try {
            file.append(changes);
        } catch (ClosedChannelException e) {
            throw failed(e);
        } catch (IOException e) {
            room.stuck(e);
            return false;
        }
        try {
            file.channel().force(false);
        } catch (IOException e) {
            throw failed(e); // whether any of it is on the disk cannot be told any more
        }
        metrics.committed(System.nanoTime() - start, file.length());
        return true;
    }

    private void forceName() throws IOException {
        try (FileChannel directory = files.openDirectory()) {
            files.force(directory);
        } catch (IOException e) {
            throw failed(e);
        }
    }

    private void compactIfLarge() {
        if (file.size() > compactAt && compaction == null) {
            compactAt = threshold(file.size()); // for the next attempt, however this one ends
            compaction =
                    Thread.ofPlatform().name("xenstore-compaction").daemon().start(this::compact);
        }
    }

    /// Ends the journal's work: it confirms nothing any more. Lock held.
    private IOException failed(IOException cause) {
        IOException told = new PersistException(path, IoReason.withoutFile(cause), cause);
        failure = told;
        Objects.requireNonNull(onFailure).accept(told);
        return told;
    }

    // --- a new file

    private void compact() {
        try {
            StoreImage image = Objects.requireNonNull(lockedDurable());
            checkRoom(ChangeRecord.size(image));
            RecordFile fresh = write(image);
            finishCompaction(fresh, image);
        } catch (IOException | RuntimeException | Error e) {
            // The next attempt comes when the file has grown by as much again.
            log.warn("{}: cannot be written anew: {}", path, e.toString());
        } finally {
            endCompaction();
        }
    }

    /// Checks that writing the new file leaves room for changes in the meantime.
    private void checkRoom(long bytes) throws IOException {
        long usable = files.usableSpace();
        if (usable < bytes + 2 * MIN_GROWTH_BYTES) {
            throw new IOException("the disk has " + usable + " bytes, and it needs " + bytes);
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

    /// Removes a new file that was not renamed to the old one. Lock held.
    private void discardUnused(RecordFile fresh) throws IOException {
        if (file != fresh) {
            files.discard(fresh.channel());
        }
    }

    private void endCompaction() {
        lock.lock();
        try {
            compaction = null;
        } finally {
            lock.unlock();
        }
    }

    /// Writes an image to a new file.
    private RecordFile write(StoreImage image) throws IOException {
        FileChannel channel = files.create();
        try {
            RecordFile written = RecordFile.create(channel);
            ChangeRecord.all(image, CHUNK_BYTES, written::append);
            channel.force(true);
            return written;
        } catch (IOException e) {
            files.discard(channel);
            throw new PersistException(path, IoReason.withoutFile(e), e);
        } catch (RuntimeException | Error e) {
            files.discard(channel);
            throw e;
        }
    }

    /// Renames a new file to the store's file. From the rename on it is the store's file, even if a later step fails.
    /// The old one has no name any more: records appended to it would be lost. Lock held.
    ///
    /// @throws IOException if it fails; after the rename, the journal has then failed too
    private void replace(RecordFile fresh, StoreImage image) throws IOException {
        try (FileChannel directory = files.openDirectory()) {
            room.moveTo(fresh, files::putNewInPlace);
            FileChannel old = file.channel();
            file = fresh;
            durable = image;
            compactAt = threshold(fresh.size());
            metrics.size(fresh.length());
            try (old) {
                files.force(directory);
            } catch (IOException e) {
                throw failed(e); // a machine that stops now may come up with the old file
            }
        }
    }

    private static long threshold(long size) {
        return Math.max(size * GROWTH, size + MIN_GROWTH_BYTES);
    }

    /// Commits, and closes the file.
    ///
    /// @throws IOException if the last changes cannot be written; they have not been reported to any client
    @Override
    public void close() throws IOException {
        Thread running;
        boolean kept = true;
        boolean whole = false;
        lock.lock();
        try {
            if (closed) {
                return;
            }
            if (source != null && failure == null) {
                kept = commit();
                whole = true;
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
        try (FileChannel channel = file.channel()) {
            if (whole && channel.isOpen()) {
                file.trim();
            }
        }
        if (!kept) {
            throw new PersistException(path, "no room for the last changes");
        }
    }
}
