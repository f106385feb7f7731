package io.xenemu.core.backend.ring;

import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.GuestMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;

/// A front end's side of a ring, in plain memory: well-behaved unless a test writes to [#page].
public final class FrontRing {
    private static final VarHandle INDEX = ValueLayout.JAVA_INT.varHandle();

    public static final long REQ_PROD = 0;
    public static final long REQ_EVENT = 4;
    public static final long RSP_PROD = 8;
    public static final long RSP_EVENT = 12;

    private final MemorySegment page;
    private final RingLayout layout;
    private final int size;
    private int reqProd;
    private int rspCons;

    /// A ring whose indices begin at `first`.
    public FrontRing(Arena arena, RingLayout layout, int pages, int first) {
        this(
                arena.allocate((long) pages * GuestMemory.PAGE_SIZE, GuestMemory.PAGE_SIZE),
                layout,
                first);
    }

    /// A ring in these pages, whose indices begin at `first`.
    public FrontRing(MemorySegment page, RingLayout layout, int first) {
        this.page = page;
        this.layout = layout;
        this.size = layout.slots((int) (page.byteSize() / GuestMemory.PAGE_SIZE));
        this.reqProd = first;
        this.rspCons = first;
        setIndex(REQ_PROD, first);
        setIndex(REQ_EVENT, first + 1);
        setIndex(RSP_PROD, first);
        setIndex(RSP_EVENT, first + 1);
    }

    /// The same ring in other memory, which has a copy of its pages: that of a restored guest.
    public FrontRing(MemorySegment page, FrontRing before) {
        this.page = page;
        this.layout = before.layout;
        this.size = before.size;
        this.reqProd = before.reqProd;
        this.rspCons = before.rspCons;
    }

    /// The shared memory.
    public MemorySegment page() {
        return page;
    }

    /// The back end's side of the ring, whose indices are right.
    ///
    /// @param buffers for its private copies
    public SharedRing served(SegmentAllocator buffers) {
        try {
            return SharedRing.attach(page, layout, buffers);
        } catch (XenError e) {
            throw new AssertionError(e);
        }
    }

    /// The back end's side of the ring in another service.
    ///
    /// @param buffers for its private copies
    public SharedRing restored(SegmentAllocator buffers, RingState state) {
        try {
            return SharedRing.restore(page, layout, buffers, state);
        } catch (XenError e) {
            throw new AssertionError(e);
        }
    }

    public int size() {
        return size;
    }

    public int index(long offset) {
        return (int) INDEX.getAcquire(page, offset);
    }

    public void setIndex(long offset, int value) {
        INDEX.setRelease(page, offset, value);
    }

    /// The slot of the next request, to fill before [#send].
    public MemorySegment nextSlot() {
        return slot(reqProd);
    }

    /// Sends the filled slot.
    ///
    /// @return whether the back end wants an event
    public boolean send() {
        int before = reqProd++;
        setIndex(REQ_PROD, reqProd);
        VarHandle.fullFence();
        return Integer.compareUnsigned(reqProd - index(REQ_EVENT), reqProd - before) < 0;
    }

    /// Whether a request fits.
    public boolean hasRoom() {
        return reqProd - rspCons < size;
    }

    /// Requests without an answer that was read.
    public int outstanding() {
        return reqProd - rspCons;
    }

    /// Whether an answer waits.
    public boolean hasAnswer() {
        return index(RSP_PROD) != rspCons;
    }

    /// Reads the next answer: its slot. Asks for an event at the one after it.
    public MemorySegment nextAnswer() {
        if (!hasAnswer()) {
            throw new IllegalStateException("no answer");
        }
        MemorySegment answer = slot(rspCons++);
        setIndex(RSP_EVENT, rspCons + 1);
        return answer;
    }

    /// Goes back before so many answers that were read.
    public void unread(int answers) {
        rspCons -= answers;
    }

    private MemorySegment slot(int index) {
        return page.asSlice(
                RingLayout.HEADER_BYTES + (long) (index & (size - 1)) * layout.slotBytes(),
                layout.slotBytes());
    }
}
