package io.xenemu.core.backend.block;

import io.xenemu.core.migration.BlockLog;
import org.jspecify.annotations.Nullable;

/// Notes what changes a store, while somebody copies it. Any thread.
final class StoreWrites {
    private volatile @Nullable BlockLog log;

    /// Begins to note what changes the store, also by transfers that are in progress.
    ///
    /// @param to also has what was changed before
    void note(BlockLog to) {
        log = to;
    }

    /// Ends that.
    void forget() {
        log = null;
    }

    /// A transfer has ended, maybe with an error. A reader finds its data, and its guest does not know yet. A log that
    /// is not there now was not read from before its data was there.
    void ended(DiskTransfer transfer) {
        BlockLog now = log;
        if (now == null) {
            return;
        }
        switch (transfer.op()) {
            case WRITE, DISCARD, WRITE_ZEROES -> now.wrote(transfer.offset(), transfer.bytes());
            case READ, FLUSH -> {}
        }
    }
}
