package io.xenemu.gnttab;

import io.xenemu.kvm.abi.DomId;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The granting side: bringing entries of one domain into use for a mapping or a copy, and giving them back. The order of
/// checks is Xen's, so that of several faults the guest is told the same one.
final class Pins {
    /// How often a copy through a transitive grant begins anew because the grant came into or out of use meanwhile. Xen does
    /// that for as long as it takes.
    private static final int MAX_ATTEMPTS = 16;

    final GuestFrames frames;
    final GrantTableMetrics metrics;
    private final DomId domId;
    private final EntryTable table;
    private final Domains domains;
    private final Lifetime lifetime = new Lifetime();
    private final PinnedFrames pinned = new PinnedFrames();

    Pins(DomId domId, EntryTable table, GrantEnvironment environment, GrantTableMetrics metrics) {
        this.domId = domId;
        this.table = table;
        this.metrics = metrics;
        this.domains = environment.domains();
        this.frames = environment.frames();
    }

    /// Brings an entry into use for a mapping; [#mfn] is then what to map.
    ///
    /// @return `BAD_GNTREF` beyond the table; `GENERAL_ERROR` not granted to `by`, not for writing, not as a whole page, in
    ///     use too often or by another domain, or changed by the guest all the time; `BAD_PAGE` no RAM there, or a page of
    ///     another domain; `BAD_DOMAIN` the domain is gone
    GrantStatus pin(int ref, int by, boolean readOnly) {
        if (!lifetime.acquire()) {
            return GrantStatus.BAD_DOMAIN;
        }
        return finish(pinAlive(ref, by, readOnly));
    }

    /// Gives back what keeps the domain's memory, unless it is in use now.
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
        } finally {
            block.lock.unlock();
        }
    }

    /// Begins the account of an entry that was marked: of the whole page, as the copy of the entry names it.
    private GrantStatus use(ActiveEntries block, int entry, int by) {
        long mfn = frames.mfn(block.copy.frame);
        if (mfn < 0) {
            return GrantStatus.BAD_PAGE;
        }
        pinned.add(mfn);
        block.describe(entry, by, block.copy.frame, mfn);
        return GrantStatus.OKAY;
    }

    /// Brings an entry into use for a copy: [#start] and [#length] of [#mfn] of [#owner].
    ///
    /// @param transitive whether a transitive grant will do; what is behind one must not be transitive itself
    /// @return as [#pin], but parts of pages will do; `EAGAIN` a transitive grant that others use too changed all the time
    GrantStatus acquire(int ref, int by, boolean readOnly, boolean transitive) {
        if (!lifetime.acquire()) {
            return GrantStatus.BAD_DOMAIN;
        }
        return finish(acquireAlive(ref, by, readOnly, transitive));
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
        // No lock is held from one domain to the next.
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
            // It was a transitive grant when it came into use.
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
        block.count(entry, readOnly, 1);
        return GrantStatus.OKAY;
    }

    /// Finishes what [#tryAcquire] began, after the grant behind has or has not come into use.
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
                // Another copy that failed meanwhile may have taken the flags away with its own.
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
                block.count(entry, readOnly, 1);
                return result;
            }
            if (ref < entries.count()) {
                entries.clear(ref, block.cleared(entry, readOnly));
            }
        } finally {
            block.lock.unlock();
        }
        if (status == GrantStatus.OKAY) {
            behind.unpin(refBehind, readOnly);
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

    /// Takes back one [#pin] or [#acquire]. With the last one for writing the guest sees `GTF_writing` go, with the last one
    /// of all `GTF_reading`, and may revoke the grant from then on.
    void unpin(int ref, boolean readOnly) {
        ActiveEntries block = inUse(ref);
        int entry = ref % ActiveEntries.SIZE;
        Pins behind;
        int refBehind;
        long mfn;
        boolean unused = false;
        block.lock.lock();
        try {
            block.count(entry, readOnly, -1);
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
        if (unused && lifetime.isEnded()) {
            frames.free(mfn);
        }
        lifetime.release();
        if (behind != null) {
            // Ends here: nothing behind a transitive grant is transitive.
            behind.unpin(refBehind, readOnly);
        }
    }

    /// The machine frame of an entry that the caller has in use.
    long mfn(int ref) {
        return inUse(ref).mfn(ref % ActiveEntries.SIZE);
    }

    /// Where in it the grant begins, bytes.
    int start(int ref) {
        return inUse(ref).start(ref % ActiveEntries.SIZE);
    }

    /// How many bytes are granted.
    int length(int ref) {
        return inUse(ref).length(ref % ActiveEntries.SIZE);
    }

    /// Whose page it is.
    GuestFrames owner(int ref) {
        Pins behind = inUse(ref).behind(ref % ActiveEntries.SIZE);
        return behind == null ? frames : behind.frames;
    }

    /// Whether others use the page.
    boolean isPinned(long mfn) {
        return pinned.contains(mfn);
    }

    /// Keeps account of an entry that was in use when the domain was saved; its flags are there already.
    ///
    /// @return false if that cannot be
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

    /// The entries of one block that are in use, in ascending order.
    void save(int block, List<GrantTableState.Mapped> mapped) {
        int first = block * ActiveEntries.SIZE;
        ActiveEntries active = inUse(first);
        active.lock.lock();
        try {
            for (int i = 0; i < ActiveEntries.SIZE; i++) {
                if (active.isPinned(i)) {
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

    /// The domain is gone.
    void end(Runnable released) {
        lifetime.end(released);
        try {
            if (lifetime.isInUse()) {
                long[] kept = pinned.all();
                frames.keepOnly(kept);
                for (long mfn : kept) {
                    // Its last use may have ended before it was known to be kept.
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
