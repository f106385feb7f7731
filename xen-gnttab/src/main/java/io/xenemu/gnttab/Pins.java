package io.xenemu.gnttab;

import io.xenemu.kvm.abi.DomId;
import java.util.List;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/// The granting side: brings entries of one domain into use for a mapping or a copy, and ends their use. The order of
/// checks is Xen's, so that of several faults the guest gets the same one.
final class Pins {
    /// How often a copy through a transitive grant is retried because another user began or ended a use of the grant
    /// meanwhile. Xen retries without a limit.
    private static final int MAX_ATTEMPTS = 16;

    final GuestFrames frames;
    final GrantTableMetrics metrics;
    private final DomId domId;
    private final EntryTable table;
    private final Granters domains;
    private final Lifetime lifetime = new Lifetime();
    private final PinnedFrames pinned = new PinnedFrames();

    /// Sees uses by others, or null. Another thread sets it.
    private volatile @Nullable GrantObserver observer;

    /// Whether no entry may come into use. Read after a reference was taken: see [#hold].
    private volatile boolean held;

    Pins(DomId domId, EntryTable table, GrantEnvironment environment, GrantTableMetrics metrics) {
        this.domId = domId;
        this.table = table;
        this.metrics = metrics;
        this.domains = environment.domains();
        this.frames = environment.frames();
    }

    /// Brings an entry into use for a mapping; [#mfn] is then the page to map.
    ///
    /// @return `BAD_GNTREF` beyond the table; `GENERAL_ERROR` not granted to `by`, not for writing, not as a whole
    ///     page, in use too often or by another domain, or changed by the guest at every try; `BAD_PAGE` no RAM at
    ///     the frame, or a page of another domain; `BAD_DOMAIN` the domain is gone; `EAGAIN` it is held
    GrantStatus pin(int ref, int by, boolean readOnly) {
        if (!lifetime.acquire()) {
            return GrantStatus.BAD_DOMAIN;
        }
        GrantStatus status = finish(held ? GrantStatus.EAGAIN : pinAlive(ref, by, readOnly));
        tellBegun(status, ref, by, false);
        return status;
    }

    /// Brings the entries of a request into use, as [#pin] does with one: all or none. Entries of one block that follow
    /// one another take its lock once.
    GrantStatus pin(GrantPages pages, int by, boolean readOnly) {
        if (!lifetime.acquire(pages.count)) {
            return GrantStatus.BAD_DOMAIN;
        }
        GrantStatus status = held ? GrantStatus.EAGAIN : GrantStatus.OKAY;
        int done = 0;
        while (status == GrantStatus.OKAY && done < pages.count) {
            ActiveEntries block = table.block(pages.refs[done]);
            if (block == null) {
                status = GrantStatus.BAD_GNTREF;
                break;
            }
            block.lock.lock();
            try {
                do {
                    int ref = pages.refs[done];
                    status = pinLocked(block, ref, by, readOnly);
                    if (status == GrantStatus.OKAY) {
                        pages.mfns[done] = block.mfn(ref % ActiveEntries.SIZE);
                        done++;
                    }
                } while (status == GrantStatus.OKAY
                        && done < pages.count
                        && table.block(pages.refs[done]) == block);
            } finally {
                block.lock.unlock();
            }
        }
        for (int i = 0; i < done; i++) {
            tellBegun(GrantStatus.OKAY, pages.refs[i], by, false);
        }
        if (status != GrantStatus.OKAY) {
            lifetime.release(pages.count - done);
            unpin(pages, done, readOnly);
        }
        return status;
    }

    private void tellBegun(GrantStatus status, int ref, int by, boolean isCopy) {
        GrantObserver uses = observer;
        if (uses != null && status == GrantStatus.OKAY) {
            uses.begun(ref, by, isCopy);
        }
    }

    /// Tells an observer of every use by others from now on; null tells none.
    void observe(@Nullable GrantObserver uses) {
        observer = uses;
    }

    /// Lets no entry come into use until [#release].
    void hold() {
        held = true;
    }

    /// Whether, after [#hold], no thread copies, or is about to begin or end a mapping, any more.
    ///
    /// @param blocks of entries that may be in use
    boolean isStill(int blocks) {
        // First: a thread that had not seen the hold took its reference before.
        int taken = lifetime.taken();
        int mappings = 0;
        for (int block = 0; block < blocks; block++) {
            ActiveEntries active = inUse(block * ActiveEntries.SIZE);
            active.lock.lock();
            try {
                mappings += active.mappings();
            } finally {
                active.lock.unlock();
            }
        }
        return taken == mappings;
    }

    void release() {
        held = false;
    }

    /// Releases the reference to the domain's memory if the entry did not come into use.
    private GrantStatus finish(GrantStatus status) {
        if (status != GrantStatus.OKAY) {
            lifetime.release();
        }
        return status;
    }

    private GrantStatus pinAlive(int ref, int by, boolean readOnly) {
        ActiveEntries block = table.block(ref);
        if (block == null) {
            return GrantStatus.BAD_GNTREF;
        }
        block.lock.lock();
        try {
            return pinLocked(block, ref, by, readOnly);
        } finally {
            block.lock.unlock();
        }
    }

    private GrantStatus pinLocked(ActiveEntries block, int ref, int by, boolean readOnly) {
        Entries entries = table.entries();
        if (ref >= entries.count()) {
            return GrantStatus.BAD_GNTREF;
        }
        int entry = ref % ActiveEntries.SIZE;
        boolean first = !block.isPinned(entry);
        if (!block.admits(entry, by) || (!first && block.isPart(entry))) {
            return GrantStatus.GENERAL_ERROR;
        }
        if (block.needsMark(entry, readOnly)
                && !entries.mark(ref, by, readOnly, true, !first, block.copy)) {
            return GrantStatus.GENERAL_ERROR;
        }
        GrantStatus status = first ? use(block, entry, by) : GrantStatus.OKAY;
        if (status == GrantStatus.OKAY) {
            block.count(entry, readOnly, 1);
        } else {
            entries.clear(ref, block.cleared(entry, readOnly));
        }
        return status;
    }

    /// Begins the record of an entry that was marked, as a grant of the whole page that the copy of the entry names.
    private GrantStatus use(ActiveEntries block, int entry, int by) {
        long mfn = frames.mfn(block.copy.frame);
        if (mfn < 0) {
            return GrantStatus.BAD_PAGE;
        }
        pinned.add(mfn);
        block.describe(entry, by, block.copy.frame, mfn);
        return GrantStatus.OKAY;
    }

    /// Brings an entry into use for a copy: [#length] bytes at [#start] of page [#mfn] of [#owner].
    ///
    /// @param transitive whether a transitive grant is allowed; a grant behind a transitive one must not be
    ///     transitive itself
    /// @return as [#pin], but parts of pages are allowed; `EAGAIN` a transitive grant that others use too changed at
    ///     every try
    GrantStatus acquire(int ref, int by, boolean readOnly, boolean transitive) {
        if (!lifetime.acquire()) {
            return GrantStatus.BAD_DOMAIN;
        }
        GrantStatus status =
                finish(held ? GrantStatus.EAGAIN : acquireAlive(ref, by, readOnly, transitive));
        tellBegun(status, ref, by, true);
        return status;
    }

    private GrantStatus acquireAlive(int ref, int by, boolean readOnly, boolean transitive) {
        for (int attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
            GrantStatus status = tryAcquire(ref, by, readOnly, transitive);
            if (status != null) {
                return status;
            }
        }
        return GrantStatus.EAGAIN;
    }

    /// @return null to try again
    private @Nullable GrantStatus tryAcquire(
            int ref, int by, boolean readOnly, boolean transitive) {
        ActiveEntries block = table.block(ref);
        if (block == null) {
            return GrantStatus.BAD_GNTREF;
        }
        int entry = ref % ActiveEntries.SIZE;
        int before;
        Pins behind;
        int refBehind;
        block.lock.lock();
        try {
            Entries entries = table.entries();
            if (ref >= entries.count()) {
                return GrantStatus.BAD_GNTREF;
            }
            if (!block.admits(entry, by)) {
                return GrantStatus.GENERAL_ERROR;
            }
            if (!block.needsMark(entry, readOnly)) {
                entries.read(ref, block.copy);
            } else if (!entries.mark(ref, by, readOnly, false, block.isPinned(entry), block.copy)) {
                return GrantStatus.GENERAL_ERROR;
            }
            behind = block.copy.isTransitive() && transitive ? behind(block.copy) : null;
            if (behind == null) {
                GrantStatus status = acquireOwn(block, entry, by, readOnly);
                if (status != GrantStatus.OKAY) {
                    entries.clear(ref, block.cleared(entry, readOnly));
                }
                return status;
            }
            before = block.pins(entry);
            refBehind = block.copy.transRef;
        } finally {
            block.lock.unlock();
        }
        // No lock of one domain is held while another domain's is taken.
        GrantStatus status = behind.acquire(refBehind, domId.value(), readOnly, false);
        return acquireBehind(block, ref, by, readOnly, before, behind, refBehind, status);
    }

    private @Nullable Pins behind(GrantEntry copy) {
        if (copy.transDomid == domId.value()) {
            return null;
        }
        GrantTable found = domains.find(DomId.of(copy.transDomid));
        return found == null ? null : found.pins();
    }

    private GrantStatus acquireOwn(ActiveEntries block, int entry, int by, boolean readOnly) {
        if (block.copy.isTransitive()) {
            return GrantStatus.GENERAL_ERROR;
        }
        boolean first = !block.isPinned(entry);
        if (!first && block.behind(entry) != null) {
            // The entry was a transitive grant when it came into use.
            return GrantStatus.BAD_DOMAIN;
        }
        if (first) {
            GrantStatus status = use(block, entry, by);
            if (status != GrantStatus.OKAY) {
                return status;
            }
            if (block.copy.isSubPage()) {
                block.describePart(entry, block.copy.pageOff, block.copy.length);
            }
        }
        block.countCopy(entry, readOnly, 1);
        return GrantStatus.OKAY;
    }

    /// Finishes what [#tryAcquire] began, after the attempt to bring the grant behind into use.
    private @Nullable GrantStatus acquireBehind(
            ActiveEntries block,
            int ref,
            int by,
            boolean readOnly,
            int before,
            Pins behind,
            int refBehind,
            GrantStatus status) {
        int entry = ref % ActiveEntries.SIZE;
        boolean changed = false;
        GrantStatus result = status;
        block.lock.lock();
        try {
            Entries entries = table.entries();
            if (result == GrantStatus.OKAY) {
                changed =
                        entries.version() != 2
                                || block.pins(entry) != before
                                || (before != 0 && !isBehind(block, entry, by, behind, refBehind));
                // Another copy that failed meanwhile may have cleared the flags.
                if (!changed
                        && block.needsMark(entry, readOnly)
                        && !entries.mark(ref, by, readOnly, false, before != 0, block.copy)) {
                    result = GrantStatus.GENERAL_ERROR;
                }
            }
            if (!changed && result == GrantStatus.OKAY) {
                if (before == 0) {
                    block.describe(entry, by, GuestFrames.FOREIGN, behind.mfn(refBehind));
                    block.describePart(entry, behind.start(refBehind), behind.length(refBehind));
                    block.describeBehind(entry, behind, refBehind);
                }
                block.countCopy(entry, readOnly, 1);
                return result;
            }
            if (ref < entries.count()) {
                entries.clear(ref, block.cleared(entry, readOnly));
            }
        } finally {
            block.lock.unlock();
        }
        if (status == GrantStatus.OKAY) {
            behind.endCopy(refBehind, readOnly);
        }
        return changed ? null : result;
    }

    private static boolean isBehind(
            ActiveEntries block, int entry, int by, Pins behind, int refBehind) {
        return block.user(entry) == by
                && block.behind(entry) == behind
                && block.refBehind(entry) == refBehind
                && block.mfn(entry) == behind.mfn(refBehind)
                && block.start(entry) == behind.start(refBehind)
                && block.length(entry) == behind.length(refBehind);
    }

    /// Reverts one [#pin]. With the last use for writing the guest sees `GTF_writing` cleared, with the last use of all
    /// `GTF_reading`; then it may revoke the grant.
    void unpin(int ref, boolean readOnly) {
        endUse(ref, readOnly, false);
    }

    /// Reverts one [#acquire], as [#unpin] does.
    void endCopy(int ref, boolean readOnly) {
        endUse(ref, readOnly, true);
    }

    private void endUse(int ref, boolean readOnly, boolean isCopy) {
        ActiveEntries block = inUse(ref);
        int entry = ref % ActiveEntries.SIZE;
        Pins behind;
        int refBehind;
        long mfn;
        boolean unused = false;
        block.lock.lock();
        try {
            if (isCopy) {
                block.countCopy(entry, readOnly, -1);
            } else {
                block.count(entry, readOnly, -1);
            }
            mfn = block.mfn(entry);
            int clear = block.cleared(entry, readOnly);
            if (clear != 0) {
                table.entries().clear(ref, clear);
            }
            behind = block.behind(entry);
            refBehind = behind == null ? 0 : block.refBehind(entry);
            if (behind == null && !block.isPinned(entry)) {
                unused = pinned.remove(mfn);
            }
        } finally {
            block.lock.unlock();
        }
        if (!readOnly && behind == null) {
            frames.written(mfn);
        }
        if (unused && lifetime.isEnded()) {
            frames.free(mfn);
        }
        lifetime.release();
        GrantObserver uses = observer;
        if (uses != null) {
            uses.ended(ref);
        }
        if (behind != null) {
            // This recursion ends here: a grant behind a transitive one is not transitive.
            behind.endCopy(refBehind, readOnly);
        }
    }

    /// Reverts [#pin] of the first pages of a request, as [#unpin] each. Their frames are not valid any more.
    void unpin(GrantPages pages, int count, boolean readOnly) {
        for (int i = 0; !readOnly && i < count; i++) {
            frames.written(pages.mfns[i]);
        }
        int done = 0;
        while (done < count) {
            ActiveEntries block = inUse(pages.refs[done]);
            block.lock.lock();
            try {
                do {
                    if (!endMapping(block, pages.refs[done], readOnly)) {
                        pages.mfns[done] = GuestFrames.NO_RAM;
                    }
                    done++;
                } while (done < count && table.block(pages.refs[done]) == block);
            } finally {
                block.lock.unlock();
            }
        }
        for (int i = 0; i < count; i++) {
            if (pages.mfns[i] != GuestFrames.NO_RAM && lifetime.isEnded()) {
                frames.free(pages.mfns[i]);
            }
        }
        lifetime.release(count);
        GrantObserver uses = observer;
        for (int i = 0; uses != null && i < count; i++) {
            uses.ended(pages.refs[i]);
        }
    }

    /// Reverts one mapping of an entry, which is never a transitive grant.
    ///
    /// @return whether nobody uses its page any more
    private boolean endMapping(ActiveEntries block, int ref, boolean readOnly) {
        int entry = ref % ActiveEntries.SIZE;
        block.count(entry, readOnly, -1);
        int clear = block.cleared(entry, readOnly);
        if (clear != 0) {
            table.entries().clear(ref, clear);
        }
        return !block.isPinned(entry) && pinned.remove(block.mfn(entry));
    }

    /// The machine frame of an entry that the caller has in use.
    long mfn(int ref) {
        return inUse(ref).mfn(ref % ActiveEntries.SIZE);
    }

    /// Offset in the page at which the grant begins, bytes.
    int start(int ref) {
        return inUse(ref).start(ref % ActiveEntries.SIZE);
    }

    /// The number of bytes granted.
    int length(int ref) {
        return inUse(ref).length(ref % ActiveEntries.SIZE);
    }

    /// The domain that owns the page.
    GuestFrames owner(int ref) {
        Pins behind = inUse(ref).behind(ref % ActiveEntries.SIZE);
        return behind == null ? frames : behind.frames;
    }

    /// Whether others use the page.
    boolean isPinned(long mfn) {
        return pinned.contains(mfn);
    }

    /// Records an entry that was in use when the domain was saved; its flags are already set.
    ///
    /// @return false if the entry, its page or this record does not allow it
    boolean restore(GrantTableState.Mapped saved) {
        int ref = saved.ref().value();
        ActiveEntries block = table.block(ref);
        long mfn = frames.mfn(saved.gfn());
        if (block == null || mfn < 0) {
            return false;
        }
        block.lock.lock();
        try {
            int entry = ref % ActiveEntries.SIZE;
            if (ref >= table.entries().count() || block.isPinned(entry)) {
                return false;
            }
            pinned.add(mfn);
            block.describe(entry, saved.mapper().value(), saved.gfn(), mfn);
            for (int i = 0; i < saved.readers() + saved.writers(); i++) {
                if (!lifetime.acquire()) {
                    throw new IllegalStateException("restored after its end");
                }
            }
            block.count(entry, true, saved.readers());
            block.count(entry, false, saved.writers());
            return true;
        } finally {
            block.lock.unlock();
        }
    }

    /// The entries of one block that are mapped, in ascending order.
    void save(int block, List<GrantTableState.Mapped> mapped) {
        int first = block * ActiveEntries.SIZE;
        ActiveEntries active = inUse(first);
        active.lock.lock();
        try {
            for (int i = 0; i < ActiveEntries.SIZE; i++) {
                if (active.isMapped(i)) {
                    mapped.add(
                            new GrantTableState.Mapped(
                                    new GrantRef(first + i),
                                    new DomId(active.user(i)),
                                    active.gfn(i),
                                    active.readers(i),
                                    active.writers(i)));
                }
            }
        } finally {
            active.lock.unlock();
        }
    }

    /// Names the pages of one block that others may write at any time.
    void writable(int block, LongConsumer mfns) {
        ActiveEntries active = inUse(block * ActiveEntries.SIZE);
        active.lock.lock();
        try {
            for (int i = 0; i < ActiveEntries.SIZE; i++) {
                if (active.writers(i) != 0 && active.behind(i) == null) {
                    mfns.accept(active.mfn(i));
                }
            }
        } finally {
            active.lock.unlock();
        }
    }

    /// Ends the domain.
    void end(Runnable released) {
        lifetime.end(released);
        try {
            if (lifetime.isInUse()) {
                long[] kept = pinned.all();
                frames.keepOnly(kept);
                for (long mfn : kept) {
                    // The last use may have ended before [GuestFrames#keepOnly] returned.
                    if (!pinned.contains(mfn)) {
                        frames.free(mfn);
                    }
                }
            }
        } finally {
            lifetime.release();
        }
    }

    private ActiveEntries inUse(int ref) {
        ActiveEntries block = table.block(ref);
        if (block == null) {
            throw new IllegalStateException("not in use: " + Integer.toUnsignedString(ref));
        }
        return block;
    }
}
