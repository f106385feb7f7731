package io.xenemu.core.backend.ring;

import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.GuestMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/// The back end's side of a ring that a front end shares (`public/io/ring.h`). The front end's side of the memory is
/// hostile: nothing that this side has written is read back, each request is copied once, and the index of requests is
/// checked at each look.
///
/// A pass over the ring:
///
/// ```java
/// for (int left = ring.look(); left > 0; left--) {
///     MemorySegment request = ring.take();
///     ...
///     MemorySegment answer = ring.blankAnswer();
///     ...
///     ring.answer();
/// }
/// if (ring.publish()) { port.notifyGuest(); }
/// ```
///
/// Before the thread sleeps, it calls [#lookBeforeSleep], and sleeps only at 0. Answers may be given later, and in
/// another order than the requests. Not thread-safe. Nothing allocates after [#attach].
public final class SharedRing {
    private static final VarHandle INDEX =
            ValueLayout.JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN).varHandle();

    private static final long REQ_PROD = 0;
    private static final long REQ_EVENT = 4;
    private static final long RSP_PROD = 8;
    private static final long RSP_EVENT = 12;

    private final MemorySegment shared;
    private final RingLayout layout;
    private final int size;
    private final MemorySegment request;
    private final MemorySegment answer;

    /// Requests taken, since the ring began; wraps.
    private int reqCons;

    /// Requests that [#look] has seen; [#take] does not go beyond.
    private int reqSeen;

    /// Answers written, and answers that the front end may read; both wrap.
    private int rspProd;

    private int rspPublished;
    private boolean broken;

    private SharedRing(
            MemorySegment shared, RingLayout layout, SegmentAllocator buffers, RingState start) {
        this.shared = shared;
        this.layout = layout;
        this.size = slots(shared, layout);
        this.request = buffers.allocate(layout.slotBytes(), Long.BYTES);
        this.answer = buffers.allocate(layout.answerBytes(), Long.BYTES);
        this.reqCons = start.taken();
        this.reqSeen = start.taken();
        this.rspProd = start.answered();
        this.rspPublished = start.answered();
        this.broken = start.broken();
    }

    /// Attaches to a ring that the front end has initialised, or has used with an earlier back end: goes on after the
    /// last answer that the front end may read, and so takes requests that were not answered again.
    ///
    /// @param shared the ring's pages, contiguous: 1 to [RingLayout#MAX_PAGES]
    /// @param buffers gives the private copies of one request and one answer
    /// @throws XenError `EIO` the indices do not belong together
    public static SharedRing attach(
            MemorySegment shared, RingLayout layout, SegmentAllocator buffers) throws XenError {
        int start = (int) INDEX.getAcquire(shared, RSP_PROD);
        RingState state = new RingState(start, start, false);
        SharedRing ring = new SharedRing(shared, layout, buffers, state);
        if (ring.look() == 0 && ring.broken) {
            throw XenError.EIO;
        }
        ring.reqSeen = start;
        return ring;
    }

    /// Goes on with the ring of a restored guest. [#attach] has the other parameters.
    ///
    /// @param state from [#save]
    /// @throws XenError `EIO` the indices do not belong together
    public static SharedRing restore(
            MemorySegment shared, RingLayout layout, SegmentAllocator buffers, RingState state)
            throws XenError {
        SharedRing ring = new SharedRing(shared, layout, buffers, state);
        if (Integer.compareUnsigned(ring.unanswered(), ring.size) > 0) {
            throw XenError.EIO;
        }
        return ring;
    }

    /// Its state.
    ///
    /// @throws IllegalStateException if there are answers that were not published
    public RingState save() {
        if (rspPublished != rspProd) {
            throw new IllegalStateException("answers are not published");
        }
        return new RingState(reqCons, rspProd, broken);
    }

    private static int slots(MemorySegment shared, RingLayout layout) {
        return layout.slots(Math.toIntExact(shared.byteSize() / GuestMemory.PAGE_SIZE));
    }

    /// The number of slots: a power of two.
    public int size() {
        return size;
    }

    /// Whether the front end has moved its index by more than the ring has slots. Such a ring stays broken: no request
    /// is seen any more. Requests that were taken can still be answered.
    public boolean isBroken() {
        return broken;
    }

    /// The number of requests taken and not yet answered, 0 to [#size].
    public int unanswered() {
        return reqCons - rspProd;
    }

    /// Looks how many requests can be taken. A request whose answer would find no free slot is not counted.
    ///
    /// @return 0 to [#size]; 0 if the ring is broken
    public int look() {
        if (broken) {
            return 0;
        }
        int waiting = (int) INDEX.getAcquire(shared, REQ_PROD) - reqCons;
        if (Integer.compareUnsigned(waiting, size) > 0) {
            broken = true;
            reqSeen = reqCons;
            return 0;
        }
        int takeable = Math.min(waiting, size - unanswered());
        reqSeen = reqCons + takeable;
        return takeable;
    }

    /// Takes the next request that the last [#look] has counted.
    ///
    /// @return the private copy of the whole slot, valid until the next call
    /// @throws IllegalStateException if no look has counted a further request
    public MemorySegment take() {
        if (reqCons == reqSeen) {
            throw new IllegalStateException("no request was seen");
        }
        MemorySegment.copy(shared, slot(reqCons), request, 0, layout.slotBytes());
        // The copy is complete before the guest sees the slot answered, and is not read again.
        VarHandle.acquireFence();
        reqCons++;
        return request;
    }

    /// The private answer, with all bytes zero: padding must not show the service's memory (XSA-216). Valid until the
    /// next call.
    public MemorySegment blankAnswer() {
        answer.fill((byte) 0);
        return answer;
    }

    /// Writes the private answer to the next slot. The front end sees it after [#publish].
    ///
    /// @throws IllegalStateException if every request taken is answered
    public void answer() {
        if (unanswered() == 0) {
            throw new IllegalStateException("no request to answer");
        }
        MemorySegment.copy(answer, 0, shared, slot(rspProd), layout.answerBytes());
        rspProd++;
    }

    /// Lets the front end read the answers written so far.
    ///
    /// @return whether the front end wants an event for them; never without a new answer
    public boolean publish() {
        int before = rspPublished;
        if (before == rspProd) {
            return false;
        }
        INDEX.setRelease(shared, RSP_PROD, rspProd);
        rspPublished = rspProd;
        // The front end writes rsp_event, then reads rsp_prod; this side the other way round.
        VarHandle.fullFence();
        int event = (int) INDEX.getOpaque(shared, RSP_EVENT);
        return Integer.compareUnsigned(rspProd - event, rspProd - before) < 0;
    }

    /// Asks for an event at the next request, then looks again. The thread may sleep only if the result is 0.
    public int lookBeforeSleep() {
        return lookBeforeSleep(1);
    }

    /// Asks for an event when the front end has sent so many requests more than were taken, then looks again.
    ///
    /// @param requests 1 to [#size]; a network back end needs several slots for one packet
    /// @return as [#look]: the thread may sleep only if it is less than `requests`
    public int lookBeforeSleep(int requests) {
        if (requests < 1 || requests > size) {
            throw new IllegalArgumentException(requests + " of " + size + " slots");
        }
        INDEX.setOpaque(shared, REQ_EVENT, reqCons + requests);
        VarHandle.fullFence();
        return look();
    }

    private long slot(int index) {
        return RingLayout.HEADER_BYTES + (long) (index & (size - 1)) * layout.slotBytes();
    }
}
