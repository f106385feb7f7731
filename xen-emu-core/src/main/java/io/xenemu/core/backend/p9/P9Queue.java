package io.xenemu.core.backend.p9;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;

/// One pair of rings of a share (`public/io/9pfs.h`): requests come on `out`, answers go on `in`, as bytes. The front
/// end's side of the memory is hostile: nothing that this side has written is read back, each request is copied once,
/// and indices are checked at each look.
///
/// [P9Requests] calls it under its lock. Nothing allocates.
final class P9Queue {
    /// The interface page, as Linux's structure has it; the figure in Xen's document lacks the second padding.
    static final int IN_CONS = 0;

    static final int IN_PROD = 4;
    static final int OUT_CONS = 64;
    static final int OUT_PROD = 68;
    static final int RING_ORDER = 128;
    static final int REFS = 132;

    /// Binary logarithm of the pages of both rings together.
    static final int ORDER_MIN = 1;

    static final int ORDER_MAX = 9;

    private static final int PAGE_SHIFT = 12;
    private static final VarHandle INDEX = JAVA_INT.varHandle();

    private final MemorySegment shared;
    private final MemorySegment data;
    private final int size;
    private final int mostBytes;
    private final Runnable notifyGuest;

    /// Private copies of the indices that this side writes; they run freely, and are masked.
    private int outCons;

    private int inProd;

    /// Bytes of the ring of answers that are kept for requests that run.
    private int reserved;

    /// Room that the next request was refused for; 0 if it was not refused.
    private int lacked;

    private boolean broken;

    /// The furthest that the front end's indices have been at a look.
    private int seenOut;

    private int seenIn;

    private P9Queue(MemorySegment shared, MemorySegment data, int mostBytes, Runnable notifyGuest) {
        this.shared = shared;
        this.data = data;
        this.size = (int) (data.byteSize() / 2);
        this.mostBytes = Math.min(mostBytes, size);
        this.notifyGuest = notifyGuest;
        outCons = index(OUT_CONS);
        inProd = index(IN_PROD);
        seenOut = outCons;
        seenIn = index(IN_CONS);
    }

    /// Attaches to rings that the front end has initialised, or has used with an earlier back end.
    ///
    /// @param shared the interface page
    /// @param data the pages of both rings, contiguous
    /// @param mostBytes the largest message
    /// @param notifyGuest sends an event to the front end
    /// @throws XenError EIO if the indices do not belong together
    static P9Queue attach(
            MemorySegment shared, MemorySegment data, int mostBytes, Runnable notifyGuest)
            throws XenError {
        P9Queue queue = new P9Queue(shared, data, mostBytes, notifyGuest);
        if (queue.available() < 0 || queue.room() < 0) {
            throw XenError.EIO;
        }
        return queue;
    }

    /// Attaches to the rings of a restored guest.
    ///
    /// @param state this side's own indices: those in the page are the guest's to change
    /// @param flushes Tflush on it that wait for their answer
    static P9Queue restored(
            MemorySegment shared,
            MemorySegment data,
            int mostBytes,
            Runnable notifyGuest,
            P9State.Queue state,
            int flushes) {
        P9Queue queue = new P9Queue(shared, data, mostBytes, notifyGuest);
        queue.outCons = state.outCons();
        queue.seenOut = state.outCons();
        queue.inProd = state.inProd();
        queue.broken = state.broken();
        queue.reserved = flushes * P9Reader.HEADER;
        return queue;
    }

    /// This side's state. No request is in flight.
    P9State.Queue save() {
        return new P9State.Queue(outCons, inProd, broken);
    }

    /// Bytes of one of the two rings.
    static int ringBytes(int order) {
        return 1 << (order + PAGE_SHIFT - 1);
    }

    private int index(int offset) {
        return (int) INDEX.getAcquire(shared, (long) offset);
    }

    /// Whether the front end has broken the rings' rules; then nothing is served on them any more.
    boolean isBroken() {
        return broken;
    }

    /// Sends an event to the front end. Not under a lock.
    void notifyGuest() {
        notifyGuest.run();
    }

    /// Bytes of requests that are not taken yet; -1 if the indices are impossible.
    private int available() {
        int available = index(OUT_PROD) - outCons;
        return Integer.compareUnsigned(available, size) > 0 ? -1 : available;
    }

    /// Free bytes for answers; -1 if the indices are impossible.
    private int room() {
        int used = inProd - index(IN_CONS);
        return Integer.compareUnsigned(used, size) > 0 ? -1 : size - used - reserved;
    }

    /// Whether the front end has sent or read something since the last call. It cannot feign that: its indices count
    /// only when they are further than ever, and cannot be further than this side lets them.
    boolean hasProgressed() {
        int out = index(OUT_PROD);
        int in = index(IN_CONS);
        boolean sent = out - seenOut > 0 && available() >= 0;
        boolean read = in - seenIn > 0 && inProd - in >= 0;
        seenOut = sent ? out : seenOut;
        seenIn = read ? in : seenIn;
        return sent || read;
    }

    /// The front end's index of requests now; for [#hasTaken].
    int produced() {
        return index(OUT_PROD);
    }

    /// This side's index of requests.
    int taken() {
        return outCons;
    }

    /// Whether the next request is there and a Tflush.
    boolean isNextFlush() {
        return next() > 0
                && Byte.toUnsignedInt(data.get(JAVA_BYTE, out(Integer.BYTES)))
                        == P9Operation.FLUSH.number();
    }

    /// Whether all requests up to an index have been taken, or cannot be.
    boolean hasTaken(int produced) {
        return broken || outCons - produced >= 0 || next() == 0;
    }

    /// The size of the next request, if it is there as a whole; 0 otherwise.
    int next() {
        if (broken) {
            return 0;
        }
        int available = available();
        if (available < 0 || room() < -reserved) {
            broken = true;
            return 0;
        }
        if (available < P9Reader.HEADER) {
            return 0;
        }
        int bytes = 0;
        for (int i = Integer.BYTES - 1; i >= 0; i--) {
            bytes = (bytes << Byte.SIZE) | Byte.toUnsignedInt(data.get(JAVA_BYTE, out(i)));
        }
        if (bytes < P9Reader.HEADER || bytes > mostBytes) {
            broken = true;
            return 0;
        }
        return available < bytes ? 0 : bytes;
    }

    private long out(int offset) {
        return (long) size + ((outCons + offset) & (size - 1));
    }

    /// Copies the next request. What its own size field says does not count any more.
    ///
    /// @param bytes of [#next]
    void copy(MemorySegment to, int bytes) {
        int first = Math.min(bytes, size - (outCons & (size - 1)));
        MemorySegment.copy(data, out(0), to, 0, first);
        MemorySegment.copy(data, size, to, first, bytes - first);
    }

    /// Takes the request that was copied, if there is room for its answer.
    ///
    /// @param bound the most bytes of the answer
    boolean take(int bytes, int bound) {
        if (room() < bound) {
            lacked = bound;
            return false;
        }
        lacked = 0;
        reserved += bound;
        outCons += bytes;
        INDEX.setRelease(shared, (long) OUT_CONS, outCons);
        return true;
    }

    /// Whether there is room for the next answer. Once [#take] has failed, that is the room that it asked for: a guest
    /// that reads no answers must not keep workers looking.
    ///
    /// @param least the least bytes that an answer needs
    boolean hasRoom(int least) {
        return room() >= Math.max(least, lacked);
    }

    /// Writes an answer.
    ///
    /// @param bound that [#take] kept for it
    void answer(MemorySegment from, int bytes, int bound) {
        reserved -= bound;
        if (broken) {
            return;
        }
        int at = inProd & (size - 1);
        int first = Math.min(bytes, size - at);
        MemorySegment.copy(from, 0, data, at, first);
        MemorySegment.copy(from, first, data, 0, bytes - first);
        inProd += bytes;
        INDEX.setRelease(shared, (long) IN_PROD, inProd);
    }
}
