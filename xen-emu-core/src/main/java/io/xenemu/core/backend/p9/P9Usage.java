package io.xenemu.core.backend.p9;

import io.xenemu.core.toolstack.P9Quota;
import io.xenemu.kvm.abi.Errno;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicLong;

/// Keeps a share within its quota. It counts the tree when a limit seems to be reached, and until then adds up what
/// requests may have added: the sum is never below what is there, as long as the guest alone writes.
///
/// Requests that wait for a count wait for each other under this object's lock, above those of [P9Place] and [P9Fids].
final class P9Usage {
    /// What a new name may take beside its content: its entry in a directory, or a directory's first block.
    private static final long NAME_BYTES = 4096;

    /// The oldest files that one request may remove.
    private static final int REMOVALS = 64;

    private final P9Session session;
    private final P9Quota quota;
    private final long maxNames;
    private final long maxBytes;

    /// Names and bytes at the last count, and those that came since.
    private final AtomicLong names = new AtomicLong();

    private final AtomicLong bytes = new AtomicLong();

    /// Requests that may have made the sums too high, or that have removed something.
    private final AtomicLong changes = new AtomicLong(1);

    /// [#changes] at the last count; guarded by this object's lock.
    private long counted;

    P9Usage(P9Session session, P9Quota quota) {
        this.session = session;
        this.quota = quota;
        maxNames = quota.files() == 0 ? Long.MAX_VALUE : quota.files();
        maxBytes = quota.mebibytes() == 0 ? Long.MAX_VALUE : (long) quota.mebibytes() << 20;
        // What is there is unknown: the first request counts.
        names.set(quota.files());
        bytes.set((long) quota.mebibytes() << 20);
    }

    /// Whether there is a limit. Without one, no other method has to be called.
    boolean isLimited() {
        return quota.isLimited();
    }

    /// Takes room before a request. What it does not use is found by the next count.
    ///
    /// @throws P9Error ENOSPC if there is none
    private void take(long newNames, long newBytes) throws P9Error {
        if (!tryTake(newNames, newBytes)) {
            countAndTake(newNames, newBytes);
        }
        changes.incrementAndGet();
    }

    /// Takes room for a new name.
    ///
    /// @throws P9Error ENOSPC if there is none
    void takeName() throws P9Error {
        take(1, NAME_BYTES);
    }

    /// Takes room for a file's bytes.
    ///
    /// @throws P9Error ENOSPC if there is none
    void takeBytes(long count) throws P9Error {
        take(0, count);
    }

    private boolean tryTake(long newNames, long newBytes) {
        if (names.addAndGet(newNames) <= maxNames) {
            if (bytes.addAndGet(newBytes) <= maxBytes) {
                return true;
            }
            bytes.addAndGet(-newBytes);
        }
        names.addAndGet(-newNames);
        return false;
    }

    private synchronized void countAndTake(long newNames, long newBytes) throws P9Error {
        for (int removals = 0; !tryTake(newNames, newBytes); removals++) {
            long now = changes.get();
            if (now == counted || removals == REMOVALS) {
                throw P9Error.of(Errno.ENOSPC);
            }
            long namesBefore = names.get();
            long bytesBefore = bytes.get();
            try (P9Count count = new P9Count(session)) {
                count.run();
                names.addAndGet(count.names() - namesBefore);
                bytes.addAndGet(count.bytes() - bytesBefore);
                counted = now;
                boolean full =
                        names.get() + newNames > maxNames || bytes.get() + newBytes > maxBytes;
                if (full && quota.deletesOldest() && count.removeOldest()) {
                    changed();
                }
            }
        }
    }

    /// Something was removed, or room was taken that a request has not used.
    void changed() {
        changes.incrementAndGet();
    }

    /// Writes a part of a file, and takes only as much as the file grows on the disk.
    ///
    /// @throws P9Error as [P9Object#write]; ENOSPC if there is no room
    int write(P9Scratch s, P9Object object, long offset, MemorySegment data, int count)
            throws P9Error {
        if (object instanceof P9Attribute) {
            return object.write(offset, data, count);
        }
        int fd = object.descriptor(s);
        long before = session.hostStatus(s, fd).taken();
        // A file without holes grows only at its end. A write may begin and end within a block.
        boolean isThere = before >= Math.max(s.status.size(), offset + count);
        long bound = isThere ? 0 : count + 2 * NAME_BYTES;
        takeBytes(bound);
        long grown = bound;
        try {
            int written = object.write(offset, data, count);
            grown = Math.max(0, session.hostStatus(s, fd).taken() - before);
            return written;
        } finally {
            bytes.addAndGet(grown - bound);
        }
    }
}
