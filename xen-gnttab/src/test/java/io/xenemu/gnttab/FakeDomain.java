package io.xenemu.gnttab;

import io.xenemu.kvm.abi.DomId;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/// A guest with 16 pages of RAM, its grant table as the guest itself sees it, and what it has mapped.
final class FakeDomain implements TablePages, GuestFrames, Physmap, ContiguousPages {
    static final int RAM_PAGES = 16;
    static final int PAGE = 4096;

    /// Frames that the guest can name but where no page can be placed.
    static final long NO_PLACE = 1000;

    private static final VarHandle WORD = ValueLayout.JAVA_INT.varHandle();
    private static final VarHandle LONG = ValueLayout.JAVA_LONG.varHandle();

    /// A page of another domain.
    record Placed(GuestFrames owner, long mfn, boolean readOnly) {}

    final DomId id;
    final MemorySegment ram;
    final MemorySegment tableMemory;
    final MemorySegment statusMemory;
    final GrantEnvironment environment;
    final GrantTable table;
    final Map<Long, Placed> placed = new ConcurrentHashMap<>();
    volatile boolean released;

    /// Pages of the dead domain that others use.
    final Set<Long> held = ConcurrentHashMap.newKeySet();

    /// The frames whose pages were written, as the table says.
    final Set<Long> written = ConcurrentHashMap.newKeySet();

    int statusRemovals;

    /// Calls of [#place] and [#remove].
    int places;

    int removals;

    /// Runs when a page is next looked up.
    @Nullable Runnable onLookup;

    /// Runs when a page is about to be taken away.
    Runnable onRemove = () -> {};

    int views;

    FakeDomain(FakeDomains domains, DomId id, GrantLimits limits) {
        this.id = id;
        ram = domains.arena.allocate((long) RAM_PAGES * PAGE, PAGE);
        tableMemory = domains.arena.allocate((long) limits.maxGrantFrames() * PAGE, PAGE);
        statusMemory = domains.arena.allocate((long) limits.maxStatusFrames() * PAGE, PAGE);
        environment = new GrantEnvironment(domains::find, this, this, this);
        table =
                new GrantTable(
                        id, limits, environment, new GrantTableMetrics(domains.registry, id));
    }

    @Override
    public MemorySegment grantFrame(int index) {
        return tableMemory.asSlice((long) index * PAGE, PAGE);
    }

    @Override
    public MemorySegment statusFrame(int index) {
        return statusMemory.asSlice((long) index * PAGE, PAGE);
    }

    @Override
    public void removeStatusFrames() {
        statusRemovals++;
    }

    private long base() {
        return (long) id.value() << 32;
    }

    @Override
    public long mfn(long gfn) {
        Runnable action = onLookup;
        onLookup = null;
        if (action != null) {
            action.run();
        }
        if (placed.containsKey(gfn)) {
            return FOREIGN;
        }
        return gfn >= 0 && gfn < RAM_PAGES ? base() + gfn : NO_RAM;
    }

    @Override
    public MemorySegment memory(long mfn) {
        return ram;
    }

    @Override
    public long offset(long mfn) {
        return (mfn - base()) * PAGE;
    }

    @Override
    public void written(long mfn) {
        written.add(mfn - base());
    }

    @Override
    public void keepOnly(long[] mfns) {
        for (long mfn : mfns) {
            held.add(mfn);
        }
    }

    @Override
    public void free(long mfn) {
        held.remove(mfn);
    }

    /// A copy will do where only what is in it counts.
    @Override
    public MemorySegment assemble(GuestFrames owner, long[] mfns, int count, boolean readOnly) {
        byte[] bytes = new byte[count * PAGE];
        for (int i = 0; i < count; i++) {
            MemorySegment.copy(ram, ValueLayout.JAVA_BYTE, offset(mfns[i]), bytes, i * PAGE, PAGE);
        }
        views++;
        MemorySegment view = MemorySegment.ofArray(bytes);
        return readOnly ? view.asReadOnly() : view;
    }

    @Override
    public void dissolve(MemorySegment view) {
        views--;
    }

    @Override
    public boolean place(long gfn, GuestFrames owner, long mfn, int count, boolean readOnly) {
        places++;
        if (count == 1) {
            return placeOne(gfn, owner, mfn, readOnly);
        }
        // Another thread can be at the frames after this look, and then the answer differs from the
        // address space.
        for (int i = 0; i < count; i++) {
            if (gfn + i >= NO_PLACE || placed.containsKey(gfn + i)) {
                return false;
            }
        }
        for (int i = 0; i < count; i++) {
            if (!placeOne(gfn + i, owner, mfn + i, readOnly)) {
                throw new IllegalStateException("two threads map at one frame");
            }
        }
        return true;
    }

    private boolean placeOne(long gfn, GuestFrames owner, long mfn, boolean readOnly) {
        return gfn < NO_PLACE && placed.putIfAbsent(gfn, new Placed(owner, mfn, readOnly)) == null;
    }

    @Override
    public boolean remove(long gfn, long[] mfns, int count) {
        removals++;
        onRemove.run();
        for (int i = 0; i < count; i++) {
            Placed there = placed.get(gfn + i);
            if (there == null || there.mfn() != mfns[i]) {
                return false;
            }
        }
        for (int i = 0; i < count; i++) {
            placed.remove(gfn + i);
        }
        return true;
    }

    /// The page that is placed at a frame.
    Placed placedAt(long gfn) {
        return Objects.requireNonNull(placed.get(gfn));
    }

    int word(int gfn) {
        return ram.get(ValueLayout.JAVA_INT, (long) gfn * PAGE);
    }

    void setWord(int gfn, int value) {
        ram.set(ValueLayout.JAVA_INT, (long) gfn * PAGE, value);
    }

    void grant(int ref, int flags, DomId to, long gfn) {
        if (table.version() == 2) {
            grantPart(ref, flags, to, gfn, 0, 0);
            return;
        }
        WORD.setVolatile(tableMemory, 8L * ref + 4, (int) gfn);
        WORD.setVolatile(tableMemory, 8L * ref, flags | to.value() << 16);
    }

    /// Grants a whole page for reading and writing.
    void grant(int ref, FakeDomain to, long gfn) {
        grant(ref, Gtf.PERMIT_ACCESS, to.id, gfn);
    }

    void grantPart(int ref, int flags, DomId to, long gfn, int pageOff, int length) {
        LONG.setVolatile(tableMemory, 16L * ref + 8, gfn);
        long high = (long) length << 48 | (long) pageOff << 32;
        LONG.setVolatile(tableMemory, 16L * ref, high | (long) to.value() << 16 | flags);
    }

    void grantTransitive(int ref, int flags, DomId to, DomId from, int refThere) {
        grantPart(
                ref, Gtf.TRANSITIVE | flags, to, Integer.toUnsignedLong(refThere), from.value(), 0);
    }

    /// Ends a grant as a guest does. Version 1 clears the flags by one compare-and-swap, unless the entry is in use.
    /// Version 2 clears them, and then looks whether the entry is in use.
    boolean revoke(int ref) {
        if (table.version() == 2) {
            int old = (int) WORD.getVolatile(tableMemory, 16L * ref);
            WORD.setVolatile(tableMemory, 16L * ref, old & 0xffff_0000);
            VarHandle.fullFence();
            if (inUse(ref) != 0) {
                WORD.setVolatile(tableMemory, 16L * ref, old);
                return false;
            }
            return true;
        }
        int seen = (int) WORD.getVolatile(tableMemory, 8L * ref);
        while ((seen & (Gtf.READING | Gtf.WRITING)) == 0) {
            int found = (int) WORD.compareAndExchange(tableMemory, 8L * ref, seen, 0);
            if (found == seen) {
                return true;
            }
            seen = found;
        }
        return false;
    }

    /// The flags that the guest wrote.
    int flags(int ref) {
        long at = table.version() == 2 ? 16L * ref : 8L * ref;
        return (int) WORD.getVolatile(tableMemory, at) & 0xffff & ~(Gtf.READING | Gtf.WRITING);
    }

    /// The flags in use.
    int inUse(int ref) {
        if (table.version() == 2) {
            int pair = (int) WORD.getVolatile(statusMemory, ref / 2 * 4L);
            return pair >>> (16 * (ref & 1)) & 0xffff;
        }
        return (int) WORD.getVolatile(tableMemory, 8L * ref) & (Gtf.READING | Gtf.WRITING);
    }
}
