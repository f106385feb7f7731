package io.xenemu.core.backend.net;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import io.xenemu.core.backend.ring.RingState;
import io.xenemu.core.backend.ring.SharedRing;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.abi.xen.NetifStructs.ExtraInfo;
import io.xenemu.kvm.abi.xen.NetifStructs.RxResponse;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.util.concurrent.TimeUnit;

/// Frames from the host to the guest, of one queue. Answers are in the order of the guest's requests, and extra
/// information stands after a frame's first slot.
///
/// The host puts a frame straight into pages that the guest has posted, which are pinned for that ([RxWindow]). At most
/// one frame is held here; others wait in the host's interface, which has a limit of its own. A frame for which
/// the guest posts too few pages is dropped after 10 s, and so is each one after it until the guest posts enough
/// (XSA-392). One thread uses it; nothing here allocates after construction.
final class RxQueue {
    /// What [#work] has left.
    enum State {
        /// The budget is used.
        BUSY,
        /// The host has no frame.
        IDLE,
        /// A frame waits for pages.
        STARVED
    }

    /// Linux's limits (`rx_drain_timeout_msecs`, `rx_stall_timeout_msecs`).
    static final long DROP_NANOS = TimeUnit.SECONDS.toNanos(10);

    static final long STALL_NANOS = TimeUnit.SECONDS.toNanos(60);

    private final SharedRing ring;
    private final RxWindow window;
    private final FramePort port;
    private final MulticastFilter filter;
    private final QueueCounters counters;
    private final RxFrame frame;
    private volatile RxFeatures features;

    /// Whether [#frame] waits, and since when.
    private boolean waiting;

    private long since;

    /// Whether frames that find no pages are dropped at once.
    private boolean dropping;

    private long droppingSince;
    private boolean unpublished;

    /// Frames that the last [#work] has given the guest.
    private int frames;

    /// Whether the guest has posted a page since a frame was dropped for want of some.
    private boolean posted;

    /// The chunks of the frame at hand that the guest's pages have taken.
    private final boolean[] settled = new boolean[RxWindow.CAPACITY];

    /// @param pages has [RxWindow#CAPACITY] places
    RxQueue(
            SharedRing ring,
            GrantedPages pages,
            FramePort port,
            RxFeatures features,
            MulticastFilter filter,
            QueueCounters counters,
            SegmentAllocator buffers) {
        this.ring = ring;
        this.window = new RxWindow(pages);
        this.port = port;
        this.features = features;
        this.filter = filter;
        this.counters = counters;
        this.frame = new RxFrame(window, buffers);
    }

    /// Whether the guest has broken the rules so that the ring cannot be used any more.
    boolean isBroken() {
        return ring.isBroken();
    }

    /// The state of its ring, once it has published. The pages that wait for a frame are taken again.
    RingState save() {
        return ring.save().takenAgain();
    }

    /// What the guest takes of frames.
    RxFeatures features() {
        return features;
    }

    /// Leaves so many bytes free in each page of the frames from now on. Any thread may call it.
    void headroom(int bytes) {
        features = features.withHeadroom(bytes);
    }

    /// Gives the guest frames.
    ///
    /// @param budget the most frames
    /// @param now in nanoseconds
    /// @throws KvmException if the host's interface is gone
    State work(int budget, long now) {
        RxFeatures wanted = features;
        frames = 0;
        for (int left = budget; left > 0 && !ring.isBroken(); left--) {
            if (!waiting && !next(wanted, now)) {
                return State.IDLE;
            }
            if (waiting && !deliver() && !isTooOld(now)) {
                return State.STARVED;
            }
        }
        return ring.isBroken() ? State.IDLE : State.BUSY;
    }

    /// The number of frames that the last [#work] has given the guest.
    int frames() {
        return frames;
    }

    /// @return false if the host has no frame
    private boolean next(RxFeatures wanted, long now) {
        fill(wanted.mostChunks() + wanted.mostExtras());
        long result = frame.receive(port, wanted);
        if (result == -Errno.EAGAIN) {
            return false;
        }
        int errno = (int) Math.max(0, -result);
        if (isGone(errno)) {
            throw new KvmException("readv", errno, "the interface is gone");
        }
        // The kernel has lost a frame that it could not give.
        DropReason fault = errno != 0 ? DropReason.HOST : frame.fault(wanted, filter);
        if (fault == null) {
            waiting = true;
            since = now;
        } else {
            counters.dropped(fault);
        }
        return true;
    }

    private static boolean isGone(int errno) {
        return errno == Errno.EBADFD || errno == Errno.EBADF || errno == Errno.ENODEV;
    }

    /// Drops the frame that waits, if it has waited too long.
    private boolean isTooOld(long now) {
        if (!dropping && now - since < DROP_NANOS) {
            return false;
        }
        if (!dropping) {
            dropping = true;
            droppingSince = since;
        }
        waiting = false;
        posted = false;
        counters.dropped(DropReason.NO_BUFFERS);
        return true;
    }

    private void fill(int slots) {
        posted |= window.fill(ring, slots);
    }

    /// Gives all of the guest's pages back until the next run, and so loses a frame that waits in them.
    void release() {
        window.release();
        if (waiting) {
            waiting = false;
            counters.dropped(DropReason.NO_BUFFERS);
        }
    }

    /// The nanoseconds until the frame that waits is too old; 0 if none waits.
    long untilTooOld(long now) {
        return waiting ? Math.max(1, since + DROP_NANOS - now) : 0;
    }

    /// Whether the guest has left its frames alone for so long that the host should stop sending any.
    boolean isStalled(long now) {
        return dropping && now - droppingSince >= STALL_NANOS;
    }

    /// Whether frames that find no pages are dropped at once.
    boolean isDropping() {
        return dropping;
    }

    /// Ends the stall if the guest has posted pages again.
    boolean recover() {
        if (!posted && ring.look() == 0) {
            return false;
        }
        dropping = false;
        return true;
    }

    /// Whether there are frames that the guest cannot see yet.
    boolean hasAnswers() {
        return unpublished;
    }

    /// Lets the guest see its frames.
    ///
    /// @return whether it wants an event
    boolean publish() {
        unpublished = false;
        return ring.publish();
    }

    /// @return false if the guest has posted too few pages
    private boolean deliver() {
        int needed = frame.chunks() + frame.extras();
        fill(needed);
        int missing = needed - window.count();
        if (missing > 0 && ring.lookBeforeSleep(missing) >= missing) {
            fill(needed);
        }
        if (window.count() < needed) {
            return false;
        }
        waiting = false;
        dropping = false;
        for (int chunk = 0; chunk < frame.chunks(); chunk++) {
            settled[chunk] = frame.settle(chunk);
        }
        answer();
        unpublished = true;
        frames++;
        counters.moved(frame.length());
        return true;
    }

    private void answer() {
        boolean segmented = frame.isSegmented();
        int headroom = frame.headroom();
        int last = frame.chunks() - 1;
        int flags = firstFlags();
        if (segmented || headroom > 0) {
            flags |= Netif.RX_EXTRA_INFO;
        }
        for (int chunk = 0; chunk <= last; chunk++) {
            data(chunk, chunk < last ? flags | Netif.RX_MORE_DATA : flags);
            if (chunk == 0 && segmented) {
                gso(headroom > 0);
            }
            if (chunk == 0 && headroom > 0) {
                xdp(headroom);
            }
            flags = 0;
        }
    }

    private int firstFlags() {
        int vnet = frame.header().flags();
        if ((vnet & VnetHeader.NEEDS_CSUM) != 0) {
            return Netif.RX_CSUM_BLANK | Netif.RX_DATA_VALIDATED;
        }
        return (vnet & VnetHeader.DATA_VALID) != 0 ? Netif.RX_DATA_VALIDATED : 0;
    }

    /// Tells the guest of a chunk. If the guest does not grant the page, the slot says so, and the guest drops the
    /// frame.
    private void data(int chunk, int flags) {
        if (!settled[chunk]) {
            counters.dropped(DropReason.GRANT);
        }
        MemorySegment answer = ring.blankAnswer();
        answer.set(JAVA_SHORT_UNALIGNED, RxResponse.ID.offset64(), window.id(0));
        answer.set(JAVA_SHORT_UNALIGNED, RxResponse.OFFSET.offset64(), (short) frame.headroom());
        answer.set(JAVA_SHORT_UNALIGNED, RxResponse.FLAGS.offset64(), (short) flags);
        answer.set(
                JAVA_SHORT_UNALIGNED,
                RxResponse.STATUS.offset64(),
                settled[chunk] ? (short) frame.size(chunk) : Netif.ERROR);
        ring.answer();
        window.remove();
    }

    private void gso(boolean more) {
        MemorySegment extra = ring.blankAnswer();
        int type =
                frame.header().gsoType() == VnetHeader.GSO_TCPV4
                        ? Netif.GSO_TCPV4
                        : Netif.GSO_TCPV6;
        extra.set(JAVA_BYTE, ExtraInfo.TYPE.offset64(), (byte) Netif.EXTRA_GSO);
        extra.set(JAVA_BYTE, ExtraInfo.FLAGS.offset64(), (byte) (more ? Netif.EXTRA_MORE : 0));
        extra.set(
                JAVA_SHORT_UNALIGNED,
                ExtraInfo.GSO_SIZE.offset64(),
                (short) frame.header().gsoSize());
        extra.set(JAVA_BYTE, ExtraInfo.GSO_TYPE.offset64(), (byte) type);
        ring.answer();
        window.remove();
    }

    private void xdp(int headroom) {
        MemorySegment extra = ring.blankAnswer();
        extra.set(JAVA_BYTE, ExtraInfo.TYPE.offset64(), (byte) Netif.EXTRA_XDP);
        // u.xdp.headroom is where u.gso.size is.
        extra.set(JAVA_SHORT_UNALIGNED, ExtraInfo.GSO_SIZE.offset64(), (short) headroom);
        ring.answer();
        window.remove();
    }
}
