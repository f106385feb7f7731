package io.xenemu.gnttab;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;

/// Version 2 (`union grant_entry_v2`): 16 bytes that the guest writes. The flags in use are separate, in an array of
/// 16-bit status words (`grant_status_t`) on pages of their own, which the guest can write too.
///
/// The flags in use and the grant are not in one word. So the flags are set first, and then the grant is read again;
/// a guest that revokes does it in the opposite order.
final class V2Entries implements Entries {
    static final int PER_PAGE = 256;
    static final int STATUS_PER_PAGE = 2048;

    private static final VarHandle WORD = ValueLayout.JAVA_INT.varHandle();
    private static final VarHandle LONG = ValueLayout.JAVA_LONG.varHandle();
    private static final int SIZE = 16;
    private static final int FRAME = 8;
    private static final int HALF = 0xffff;

    private final MemorySegment[] pages;
    private final MemorySegment[] statusPages;

    V2Entries(MemorySegment[] pages, MemorySegment[] statusPages) {
        this.pages = pages;
        this.statusPages = statusPages;
    }

    /// The number of pages of status words for `pages` pages of entries.
    static int statusPages(int pages) {
        return Math.ceilDiv(pages * PER_PAGE, STATUS_PER_PAGE);
    }

    /// The number of pages of entries that have `statusPages` pages of status words.
    static int pagesFor(int statusPages) {
        return statusPages * (STATUS_PER_PAGE / PER_PAGE);
    }

    @Override
    public int version() {
        return 2;
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
        if (!allows(seen, by, readOnly, wholePage, pinned)) {
            return false;
        }
        set(ref, Gtf.READING | (readOnly ? 0 : Gtf.WRITING));
        long word = (long) LONG.getVolatile(page, at);
        if (!allows((int) (word & 0xffff_ffffL), by, readOnly, wholePage, pinned)) {
            clear(ref, pinned ? Gtf.WRITING : Gtf.READING | Gtf.WRITING);
            return false;
        }
        copy(page, at, word, copy);
        return true;
    }

    private static boolean allows(
            int word, int by, boolean readOnly, boolean wholePage, boolean pinned) {
        int flags = word & HALF;
        return (pinned || Entries.grants(flags, word >>> Short.SIZE, by, wholePage, true))
                && (readOnly || (flags & Gtf.READONLY) == 0);
    }

    @Override
    public void read(int ref, GrantEntry copy) {
        MemorySegment page = page(ref);
        long at = offset(ref);
        copy(page, at, (long) LONG.getVolatile(page, at), copy);
    }

    private static void copy(MemorySegment page, long at, long word, GrantEntry copy) {
        copy.flags = half(word, 0);
        copy.pageOff = half(word, 2);
        copy.length = half(word, 3);
        copy.transDomid = copy.pageOff;
        copy.frame = (long) LONG.getVolatile(page, at + FRAME);
        copy.transRef = (int) (copy.frame & 0xffff_ffffL);
    }

    private static int half(long word, int index) {
        return (int) (word >>> (index * Short.SIZE)) & HALF;
    }

    /// Status words are changed in pairs, since atomic access needs at least 32 bits.
    private void set(int ref, int flags) {
        WORD.getAndBitwiseOr(statusPage(ref), statusWord(ref), flags << statusShift(ref));
    }

    @Override
    public void clear(int ref, int flags) {
        WORD.getAndBitwiseAnd(statusPage(ref), statusWord(ref), ~(flags << statusShift(ref)));
    }

    @Override
    public void write(int ref, int flags, int domid, long frame) {
        MemorySegment page = page(ref);
        long at = offset(ref);
        int inUse = Gtf.READING | Gtf.WRITING;
        setStatus(ref, flags & inUse);
        LONG.setVolatile(page, at + FRAME, frame);
        LONG.setVolatile(page, at, (long) ((flags & ~inUse) | domid << Short.SIZE) & 0xffff_ffffL);
    }

    @Override
    public int flagsAndStatus(int ref) {
        return ((int) WORD.getVolatile(page(ref), offset(ref)) & HALF) | status(ref);
    }

    @Override
    public int domid(int ref) {
        return (int) WORD.getVolatile(page(ref), offset(ref)) >>> Short.SIZE;
    }

    @Override
    public void swap(int a, int b) {
        swapLong(a, b, 0);
        swapLong(a, b, FRAME);
        int statusA = status(a);
        setStatus(a, status(b));
        setStatus(b, statusA);
    }

    private void swapLong(int a, int b, int field) {
        long valueA = (long) LONG.getVolatile(page(a), offset(a) + field);
        long valueB = (long) LONG.getVolatile(page(b), offset(b) + field);
        LONG.setVolatile(page(a), offset(a) + field, valueB);
        LONG.setVolatile(page(b), offset(b) + field, valueA);
    }

    private int status(int ref) {
        return ((int) WORD.getVolatile(statusPage(ref), statusWord(ref)) >>> statusShift(ref))
                & HALF;
    }

    private void setStatus(int ref, int status) {
        clear(ref, HALF);
        set(ref, status);
    }

    private MemorySegment page(int ref) {
        return pages[ref / PER_PAGE];
    }

    private static long offset(int ref) {
        return (long) SIZE * (ref % PER_PAGE);
    }

    private MemorySegment statusPage(int ref) {
        return statusPages[ref / STATUS_PER_PAGE];
    }

    private static long statusWord(int ref) {
        return (long) (ref % STATUS_PER_PAGE / 2) * Integer.BYTES;
    }

    private static int statusShift(int ref) {
        return (ref & 1) * Short.SIZE;
    }
}
