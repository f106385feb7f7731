package io.xenemu.xenstore.persist;

import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.locks.ReentrantLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The room in a store's file for changes that are about to be made. A change is made only when its record is sure to fit, so
/// a full disk refuses changes, and never meets one that has been made already.
///
/// Thread-safe; its lock is a leaf, which a thread that holds the store's lock may take.
final class FileRoom {
    /// Bytes by which the room grows at least, so that it seldom has to.
    static final int STEP_BYTES = 64 * 1024;

    private static final Logger LOG = LoggerFactory.getLogger(FileRoom.class);

    /// Puts a file in the place of another.
    @FunctionalInterface
    interface Move {
        void run() throws IOException;
    }

    private final Path path;
    private final JournalMetrics metrics;
    private final ReentrantLock lock = new ReentrantLock();
    private RecordFile file;
    private long promised;
    private boolean full;
    // A record that has to be written first does not fit.
    private boolean stuck;

    FileRoom(Path path, RecordFile file, JournalMetrics metrics) {
        this.path = path;
        this.file = file;
        this.metrics = metrics;
    }

    /// Keeps room for a change.
    ///
    /// @param bytes what its part of a record takes at most
    /// @return false if there is none: the change must not be made
    boolean promise(long bytes) {
        lock.lock();
        try {
            if (makeRoom(bytes)) {
                promised += bytes;
                return true;
            }
            metrics.refused();
            return false;
        } finally {
            lock.unlock();
        }
    }

    private boolean makeRoom(long bytes) {
        long wanted = RecordFile.RECORD_HEADER_BYTES + promised + bytes;
        if (stuck || wanted > RecordFile.MAX_BODY_BYTES) {
            return false;
        }
        if (file.room() < wanted) {
            try {
                file.makeRoom(wanted + STEP_BYTES);
            } catch (IOException e) {
                if (file.room() < wanted) {
                    full(e);
                    return false;
                }
            }
        }
        emptier();
        return true;
    }

    private void full(IOException why) {
        if (!full) {
            full = true;
            metrics.full(true);
            LOG.warn("{}: changes are refused until there is room: {}", path, why.getMessage());
        }
    }

    private void emptier() {
        if (full) {
            full = false;
            metrics.full(false);
            LOG.warn("{}: there is room again for changes", path);
        }
    }

    /// Bytes that are promised now, for [#written].
    long promised() {
        lock.lock();
        try {
            return promised;
        } finally {
            lock.unlock();
        }
    }

    /// A record was written, with at least the changes that these bytes were promised to.
    void written(long bytes) {
        lock.lock();
        try {
            promised -= bytes;
            stuck = false;
        } finally {
            lock.unlock();
        }
    }

    /// A record does not fit, though it was promised: on a file system that writes nothing in place. No change is to be made
    /// before it has been [#written].
    void stuck(IOException why) {
        lock.lock();
        try {
            stuck = true;
            full(why);
        } finally {
            lock.unlock();
        }
    }

    /// Keeps the room in another file from now on.
    ///
    /// @param move puts it in the place of the one before
    /// @throws IOException if it does not have the room, or cannot be moved; nothing has changed then
    void moveTo(RecordFile fresh, Move move) throws IOException {
        lock.lock();
        try {
            if (promised > 0) {
                fresh.makeRoom(RecordFile.RECORD_HEADER_BYTES + promised + STEP_BYTES);
            }
            move.run();
            file = fresh;
        } finally {
            lock.unlock();
        }
    }
}
