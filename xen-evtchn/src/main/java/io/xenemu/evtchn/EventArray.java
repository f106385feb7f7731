package io.xenemu.evtchn;

import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.util.ArrayList;
import java.util.List;

/// The event words of the FIFO ABI, one for each port (`xen/include/public/event_channel.h`). The guest adds their
/// pages one by one with `EVTCHNOP_expand_array`; they stay until the domain leaves the ABI. Words change by single
/// atomic operations, since the guest changes them at any time.
///
/// Adding a page requires the binding lock; any thread may use the words.
final class EventArray {
    /// `EVTCHN_FIFO_PENDING`, `..._MASKED`, `..._LINKED`, `..._BUSY`.
    static final int PENDING = 1 << 31;

    static final int MASKED = 1 << 30;
    static final int LINKED = 1 << 29;
    static final int BUSY = 1 << 28;

    /// Bits of a port in a link (`EVTCHN_FIFO_LINK_BITS`).
    static final int LINK_BITS = 17;

    static final int LINK_MASK = (1 << LINK_BITS) - 1;

    /// Words in a page of 4096 bytes.
    static final int WORDS = 1024;

    private static final int WORDS_SHIFT = 10;

    /// Pages needed for every port that a link can name.
    private static final int MAX_PAGES = (1 << LINK_BITS) / WORDS;

    private static final VarHandle WORD = ValueLayout.JAVA_INT.varHandle();

    private final MemorySegment[] pages = new MemorySegment[MAX_PAGES];
    private final List<Long> gfns = new ArrayList<>();

    /// The number of ports that have a word. Written after the page that holds them.
    private volatile int size;

    int size() {
        return size;
    }

    boolean has(int port) {
        return port < size;
    }

    /// The guest page numbers, in order.
    List<Long> gfns() {
        return List.copyOf(gfns);
    }

    /// Adds the next page.
    ///
    /// @throws XenError `ENOSPC` every port has a word already; else as `guest` throws
    void add(GuestPages guest, long gfn) throws XenError {
        int page = gfns.size();
        if (page == MAX_PAGES) {
            throw XenError.ENOSPC;
        }
        pages[page] = guest.map(gfn);
        gfns.add(gfn);
        size = (page + 1) * WORDS;
    }

    boolean test(int port, int bits) {
        return (get(port) & bits) != 0;
    }

    int get(int port) {
        return (int) WORD.getVolatile(page(port), offset(port));
    }

    /// Sets bits.
    ///
    /// @return whether any of them was set before
    boolean testAndSet(int port, int bits) {
        return ((int) WORD.getAndBitwiseOr(page(port), offset(port), bits) & bits) != 0;
    }

    void clear(int port, int bits) {
        int _ = (int) WORD.getAndBitwiseAnd(page(port), offset(port), ~bits);
    }

    boolean compareAndSet(int port, int expected, int word) {
        return WORD.compareAndSet(page(port), offset(port), expected, word);
    }

    private MemorySegment page(int port) {
        return pages[port >>> WORDS_SHIFT];
    }

    private static long offset(int port) {
        return (long) Integer.BYTES * (port & WORDS - 1);
    }
}
