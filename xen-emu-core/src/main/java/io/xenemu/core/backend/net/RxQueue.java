package io.xenemu.core.backend.net;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import io.xenemu.core.backend.ring.SharedRing;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.abi.xen.NetifStructs.ExtraInfo;
import io.xenemu.kvm.abi.xen.NetifStructs.RxRequest;
import io.xenemu.kvm.abi.xen.NetifStructs.RxResponse;
import io.xenemu.kvm.memory.GuestMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.util.concurrent.TimeUnit;

/// Frames from the host to the guest, of one queue. Answers are in the order of the guest's requests, and extra
/// information stands after a frame's first slot.
///
/// At most one frame is held here; others wait in the host's interface, which has a limit of its own. A frame for which
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

    /// The place of the one page that is in use at a time.
    private static final int PLACE = 0;

    private final SharedRing ring;
    private final GrantedPages pages;
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

    /// @param pages has one place
    RxQueue(
            SharedRing ring,
            GrantedPages pages,
            FramePort port,
            RxFeatures features,
            MulticastFilter filter,
            QueueCounters counters,
            SegmentAllocator buffers) {
        this.ring = ring;
        this.pages = pages;
        this.port = port;
        this.features = features;
        this.filter = filter;
        this.counters = counters;
        this.frame = new RxFrame(buffers);
    }

    /// Whether the guest has broken the rules so that the ring cannot be used any more.
    boolean isBroken() {
        return ring.isBroken();
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
        for (int left = budget; left > 0 && !ring.isBroken(); left--) {
            if (!waiting && !next(wanted, now)) {
                return State.IDLE;
            }
            if (waiting && !deliver(wanted) && !isTooOld(now)) {
                return State.STARVED;
            }
        }
        return ring.isBroken() ? State.IDLE : State.BUSY;
    }

    /// @return false if the host has no frame
    private boolean next(RxFeatures wanted, long now) {
        long result = frame.receive(port);
        if (result == -Errno.EAGAIN) {
            return false;
        }
        if (result < 0) {
            throw new KvmException("readv", (int) -result, "the interface is gone");
        }
        DropReason fault = frame.fault(wanted, filter);
        if (fault == null) {
            waiting = true;
            since = now;
        } else {
            counters.dropped(fault);
        }
        return true;
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
        counters.dropped(DropReason.NO_BUFFERS);
        return true;
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
        if (ring.look() == 0) {
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
    private boolean deliver(RxFeatures wanted) {
        int needed = frame.slots(wanted);
        if (ring.look() < needed && ring.lookBeforeSleep(needed) < needed) {
            return false;
        }
        if (ring.isBroken()) {
            return false;
        }
        waiting = false;
        dropping = false;
        write(wanted);
        unpublished = true;
        counters.moved(frame.length());
        return true;
    }

    private void write(RxFeatures wanted) {
        int headroom = wanted.headroom();
        int room = GuestMemory.PAGE_SIZE - headroom;
        boolean segmented = frame.isSegmented();
        int flags = firstFlags();
        if (segmented || headroom > 0) {
            flags |= Netif.RX_EXTRA_INFO;
        }
        for (int at = 0; at < frame.length(); at += room) {
            int count = Math.min(room, frame.length() - at);
            boolean more = at + count < frame.length();
            data(at, count, headroom, more ? flags | Netif.RX_MORE_DATA : flags);
            if (at == 0 && segmented) {
                gso(headroom > 0);
            }
            if (at == 0 && headroom > 0) {
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

    /// Fills one of the guest's pages. If the guest does not grant it, the slot says so, and the guest drops the frame.
    private void data(int from, int count, int headroom, int flags) {
        MemorySegment request = ring.take();
        short id = request.get(JAVA_SHORT_UNALIGNED, RxRequest.ID.offset64());
        int gref = request.get(JAVA_INT_UNALIGNED, RxRequest.GREF.offset64());
        boolean granted = pages.pin(PLACE, gref, false);
        if (granted) {
            MemorySegment.copy(
                    frame.bytes(),
                    from,
                    pages.memory(PLACE),
                    pages.offset(PLACE) + headroom,
                    count);
            pages.unpin(PLACE);
        } else {
            counters.dropped(DropReason.GRANT);
        }
        MemorySegment answer = ring.blankAnswer();
        answer.set(JAVA_SHORT_UNALIGNED, RxResponse.ID.offset64(), id);
        answer.set(JAVA_SHORT_UNALIGNED, RxResponse.OFFSET.offset64(), (short) headroom);
        answer.set(JAVA_SHORT_UNALIGNED, RxResponse.FLAGS.offset64(), (short) flags);
        answer.set(
                JAVA_SHORT_UNALIGNED,
                RxResponse.STATUS.offset64(),
                granted ? (short) count : Netif.ERROR);
        ring.answer();
    }

    private void gso(boolean more) {
        ring.take();
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
    }

    private void xdp(int headroom) {
        ring.take();
        MemorySegment extra = ring.blankAnswer();
        extra.set(JAVA_BYTE, ExtraInfo.TYPE.offset64(), (byte) Netif.EXTRA_XDP);
        // u.xdp.headroom is where u.gso.size is.
        extra.set(JAVA_SHORT_UNALIGNED, ExtraInfo.GSO_SIZE.offset64(), (short) headroom);
        ring.answer();
    }
}
