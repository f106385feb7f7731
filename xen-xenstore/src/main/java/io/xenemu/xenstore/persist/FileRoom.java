package io.xenemu.xenstore.persist;

import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.locks.ReentrantLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The room in a store's file for changes that are about to be made. A change is made only if its record is sure to
/// fit, so a full disk refuses changes and never loses one that has been made.
///
/// Thread-safe. Its lock is a leaf, which a thread that holds the store's lock may take.
final class FileRoom {
    /// The least bytes by which the room grows, so that it seldom has to.
    static final int STEP_BYTES = 64 * 1024;

    private static final Logger log = LoggerFactory.getLogger(FileRoom.class);

    /// Renames one file to another.
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
    // Whether a record does not fit that has to be written before any other.
    private boolean stuck;

    FileRoom(Path path, RecordFile file, JournalMetrics metrics) {
        this.path = path;
        this.file = file;
        this.metrics = metrics;
    }

    /// Reserves room for a change.
    ///
    /// @param bytes the most that its part of a record takes
    /// @return false if there is no room: the change must not be made
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
            log.warn("{}: changes are refused until there is room: {}", path, why.getMessage());
        }
    }

    private void emptier() {
        if (full) {
            full = false;
            metrics.full(false);
            log.warn("{}: there is room again for changes", path);
        }
    }

    /// The bytes reserved now, to pass to [#written] later.
    long promised() {
        lock.lock();
        try {
            return promised;
        } finally {
            lock.unlock();
        }
    }

    /// Releases a reservation: a record was written with at least the changes that had reserved these bytes.
    void written(long bytes) {
        lock.lock();
        try {
            promised -= bytes;
            stuck = false;
        } finally {
            lock.unlock();
        }
    }

    /// Notes that a record does not fit although its room was reserved, as on a file system that never overwrites in
    /// place. No change may be made until the record has been [#written].
    void stuck(IOException why) {
        lock.lock();
        try {
            stuck = true;
            full(why);
        } finally {
            lock.unlock();
        }
    }

    /// Reserves room in another file from now on.
    ///
    /// @param move renames it to the file's name
    /// @throws IOException if it does not have the room or cannot be renamed; nothing has changed then
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
