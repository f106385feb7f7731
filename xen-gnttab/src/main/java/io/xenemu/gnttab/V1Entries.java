package io.xenemu.gnttab;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;

/// Version 1 (`struct grant_entry_v1`): flags and domid in one 32-bit word, then a 32-bit frame number. The flags in
/// use are in the same word as the guest's grant flags.
final class V1Entries implements Entries {
    static final int PER_PAGE = 512;

    /// How often to try to mark an entry, as in Xen. A guest may lawfully change the entry meanwhile, such as from
    /// writable to read-only, but not forever.
    private static final int MAX_ATTEMPTS = 5;

    private static final VarHandle WORD = ValueLayout.JAVA_INT.varHandle();
    private static final VarHandle ENTRY = ValueLayout.JAVA_LONG.varHandle();
    private static final int SIZE = 8;
    private static final int FRAME = 4;
    private static final int FLAGS = 0xffff;

    private final MemorySegment[] pages;

    V1Entries(MemorySegment[] pages) {
        this.pages = pages;
    }

    @Override
    public int version() {
        return 1;
    }

    @Override
    public int count() {
        return pages.length * PER_PAGE;
    }

    @Override
    public boolean mark(
            int ref, int by, boolean readOnly, boolean wholePage, boolean pinned, GrantEntry copy) {
        MemorySegment page = page(ref);
        long at = offset(ref);
        int seen = (int) WORD.getVolatile(page, at);
        for (int attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
            int flags = seen & FLAGS;
            if (!pinned && !Entries.grants(flags, seen >>> Short.SIZE, by, wholePage, false)) {
                return false;
            }
            if (!readOnly && (flags & Gtf.READONLY) != 0) {
                return false;
            }
            int marked = seen | Gtf.READING | (readOnly ? 0 : Gtf.WRITING);
            // Not compareAndExchange, which C1 compiles to a call into the JVM.
            if (WORD.compareAndSet(page, at, seen, marked)) {
                copy(page, at, seen, copy);
                return true;
            }
            seen = (int) WORD.getVolatile(page, at);
        }
        return false;
    }

    @Override
    public void clear(int ref, int flags) {
        WORD.getAndBitwiseAnd(page(ref), offset(ref), ~flags);
    }

    @Override
    public void read(int ref, GrantEntry copy) {
        MemorySegment page = page(ref);
        long at = offset(ref);
        copy(page, at, (int) WORD.getVolatile(page, at), copy);
    }

    /// Ignores sub-page and transitive flags, which version 1 does not have, whatever the guest writes.
    private static void copy(MemorySegment page, long at, int word, GrantEntry copy) {
        copy.flags = word & Gtf.READONLY;
        copy.frame = Integer.toUnsignedLong((int) WORD.getVolatile(page, at + FRAME));
    }

    @Override
    public void write(int ref, int flags, int domid, long frame) {
        MemorySegment page = page(ref);
        long at = offset(ref);
        // Saved and seeded frames have 32 bits.
        WORD.setVolatile(page, at + FRAME, (int) (frame & 0xffff_ffffL));
        WORD.setVolatile(page, at, flags | domid << Short.SIZE);
    }

    @Override
    public int flagsAndStatus(int ref) {
        return (int) WORD.getVolatile(page(ref), offset(ref)) & FLAGS;
    }

    @Override
    public int domid(int ref) {
        return (int) WORD.getVolatile(page(ref), offset(ref)) >>> Short.SIZE;
    }

    @Override
    public void swap(int a, int b) {
        long entryA = (long) ENTRY.getVolatile(page(a), offset(a));
        ENTRY.setVolatile(page(a), offset(a), (long) ENTRY.getVolatile(page(b), offset(b)));
        ENTRY.setVolatile(page(b), offset(b), entryA);
    }

    private MemorySegment page(int ref) {
        return pages[ref / PER_PAGE];
    }

    private static long offset(int ref) {
        return (long) SIZE * (ref % PER_PAGE);
    }
}
