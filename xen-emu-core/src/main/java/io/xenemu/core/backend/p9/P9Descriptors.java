package io.xenemu.core.backend.p9;

import io.xenemu.core.host.HostBudget;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.file.Beneath;
import io.xenemu.kvm.file.OpenFlags;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/// Opens and counts the descriptors of one share, and its extended attributes. At the share's limit, or that of the
/// guest in the process, it asks [P9Fids] for one that no request uses.
final class P9Descriptors {
    /// How many descriptors are asked back for one open, as other requests may take those that come back.
    private static final int ATTEMPTS = 8;

    private final int root;
    private final int max;
    private final P9Fids fids;
    private final int maxFiles;
    private final AtomicInteger open = new AtomicInteger();
    private final AtomicInteger files = new AtomicInteger();
    private final AtomicInteger attributes = new AtomicInteger();

    /// The guest's share of the process's descriptors; null before a guest connects.
    private volatile HostBudget.@Nullable Share account;

    /// @param root the descriptor of the share's root
    P9Descriptors(int root, P9Limits limits, P9Fids fids) {
        this.root = root;
        max = limits.descriptors();
        maxFiles = limits.openFiles();
        this.fids = fids;
    }

    int root() {
        return root;
    }

    /// Charges a guest's share of the process's descriptors from now on. None is open yet.
    void charge(HostBudget.Share to) {
        account = to;
    }

    /// Descriptors open now.
    int count() {
        return open.get();
    }

    /// Opens a place below the root, by a path of any number of names.
    ///
    /// @return the descriptor or a negated errno
    int open(P9Scratch scratch, MemorySegment path) {
        return openAt(scratch, root, path, OpenFlags.O_PATH, 0);
    }

    /// Opens or creates a file below a directory.
    ///
    /// @return the descriptor or a negated errno
    int openAt(P9Scratch scratch, int directory, MemorySegment name, int flags, int mode) {
        if (!reserve(scratch)) {
            return -Errno.EMFILE;
        }
        return opened(scratch.files.open(directory, name, flags, mode));
    }

    /// Opens a descriptor's file once more: see [Beneath#reopen].
    ///
    /// @return the descriptor or a negated errno
    int reopen(P9Scratch scratch, int fd, int flags) {
        if (!reserve(scratch)) {
            return -Errno.EMFILE;
        }
        return opened(scratch.files.reopen(fd, flags));
    }

    private int opened(int result) {
        if (result < 0) {
            release();
        }
        return result;
    }

    /// Counts a descriptor that another process had open.
    ///
    /// @return false if the guest may have no more; then it is not counted
    boolean adopt() {
        boolean taken = take();
        if (taken) {
            open.incrementAndGet();
        }
        return taken;
    }

    /// Counts a file that another process had open, also beyond the limit.
    void adoptFile() {
        files.incrementAndGet();
    }

    private boolean take() {
        HostBudget.Share charged = account;
        return charged == null || charged.take(1);
    }

    private void release() {
        giveBack();
        open.decrementAndGet();
    }

    private boolean reserve(P9Scratch scratch) {
        for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
            if (open.incrementAndGet() <= max && take()) {
                return true;
            }
            open.decrementAndGet();
            if (!fids.parkOne(scratch, root)) {
                return false;
            }
        }
        return false;
    }

    /// Takes one descriptor more from the guest's share of the process's, for a count of files.
    ///
    /// @throws P9Error EMFILE if the guest may have no more
    void lend() throws P9Error {
        if (!take()) {
            throw P9Error.of(Errno.EMFILE);
        }
    }

    /// Undoes [#lend].
    void giveBack() {
        HostBudget.Share charged = account;
        if (charged != null) {
            charged.give(1);
        }
    }

    /// Closes a descriptor that this object has opened.
    void close(int fd) {
        Beneath.close(fd);
        release();
    }

    /// Counts an open file.
    ///
    /// @throws P9Error EMFILE if there are too many
    void reserveFile() throws P9Error {
        if (files.incrementAndGet() > maxFiles) {
            files.decrementAndGet();
            throw P9Error.of(Errno.EMFILE);
        }
    }

    void releaseFile() {
        files.decrementAndGet();
    }

    /// Counts an extended attribute.
    ///
    /// @throws P9Error EMFILE if there are too many
    void reserveAttribute() throws P9Error {
        if (attributes.incrementAndGet() > P9Limits.ATTRIBUTE_FIDS) {
            attributes.decrementAndGet();
            throw P9Error.of(Errno.EMFILE);
        }
    }

    void releaseAttribute() {
        attributes.decrementAndGet();
    }

    /// A place was opened again.
    void unparked(P9Place place) {
        fids.unparked(place);
    }
}
