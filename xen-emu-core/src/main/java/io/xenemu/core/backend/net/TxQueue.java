package io.xenemu.core.backend.net;

import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import io.xenemu.core.backend.ring.RingState;
import io.xenemu.core.backend.ring.SharedRing;
import io.xenemu.kvm.abi.xen.NetifStructs.TxResponse;
import io.xenemu.kvm.file.IoVectors;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import org.jspecify.annotations.Nullable;

/// Frames from the guest to the host, of one queue. The first bytes of each frame are copied and checked, and the copy
/// is sent; the rest goes from the guest's pages to the host without a copy in between. The guest may change the rest
/// meanwhile, which changes nothing that was checked.
///
/// Every slot that was taken is answered, in the order of the ring, whether its frame was sent or dropped. One thread
/// uses it; nothing here allocates after construction.
final class TxQueue {
    /// A header, the copy of the frame's first bytes, and each slot.
    private static final int VECTORS = 2 + TxPacket.SERVED_SLOTS;

    private final SharedRing ring;
    private final GrantedPages pages;
    private final FramePort port;
    private final TxCredit credit;
    private final MulticastFilter filter;
    private final QueueCounters counters;

    private final TxPacket packet = new TxPacket();
    private final PacketHeaders headers;
    private final VnetHeader header;
    private final IoVectors vectors;
    private boolean hostile;
    private boolean unpublished;
    private boolean flushed;

    /// @param pages has a place for each of [TxPacket#SERVED_SLOTS] slots
    /// @param buffers gives the private copies
    TxQueue(
            SharedRing ring,
            GrantedPages pages,
            FramePort port,
            TxCredit credit,
            MulticastFilter filter,
            QueueCounters counters,
            SegmentAllocator buffers) {
        this.ring = ring;
        this.pages = pages;
        this.port = port;
        this.credit = credit;
        this.filter = filter;
        this.counters = counters;
        this.headers = new PacketHeaders(buffers);
        this.header = new VnetHeader(buffers);
        this.vectors = new IoVectors(buffers, VECTORS);
    }

    /// Whether the guest has broken the rules so that the ring cannot be used any more.
    boolean isBroken() {
        return hostile || ring.isBroken();
    }

    /// The state of its ring, once it has published. The slots of a frame that is not complete are taken again.
    RingState save() {
        RingState state = ring.save().takenAgain();
        return new RingState(state.taken(), state.answered(), isBroken());
    }

    /// Sends frames until the ring is empty, the guest has used its credit, the host takes no more, or the budget of
    /// slots is used.
    ///
    /// @param now in nanoseconds
    /// @return whether there is more to do at once
    boolean work(int budget, long now) {
        int left = isBroken() ? 0 : Math.min(budget, ring.look());
        while (left > 0 && (!packet.isEmpty() || mayBegin(now))) {
            left--;
            switch (packet.add(ring.take())) {
                case MORE -> {}
                case COMPLETE -> finish();
                case HOSTILE -> {
                    hostile = true;
                    flushed = port.flush();
                    return false;
                }
            }
        }
        flushed = port.flush();
        return !isBroken() && !isBlocked(now) && ring.look() > 0;
    }

    private boolean mayBegin(long now) {
        return credit.delay(now) == 0 && port.canSend();
    }

    /// Whether the next frame has to wait for time or for the host.
    private boolean isBlocked(long now) {
        return packet.isEmpty() && !mayBegin(now);
    }

    /// Whether the last [#work] has passed on what was gathered before.
    boolean hasFlushed() {
        return flushed;
    }

    /// The time until the guest may send again, in nanoseconds; 0 if it may now, or has begun a frame.
    long delay(long now) {
        return packet.isEmpty() ? credit.delay(now) : 0;
    }

    /// Asks for an event at the next request, unless it would have to wait.
    ///
    /// @return whether a request has come meanwhile
    boolean arm(long now) {
        return !isBroken() && !isBlocked(now) && ring.lookBeforeSleep() > 0;
    }

    /// Whether there are answers that the guest cannot see yet.
    boolean hasAnswers() {
        return unpublished;
    }

    /// Lets the guest see the answers.
    ///
    /// @return whether it wants an event
    boolean publish() {
        unpublished = false;
        return ring.publish();
    }

    private void finish() {
        DropReason fault = packet.fault();
        short status;
        if (fault == null && packet.multicast() != 0) {
            status = changeFilter() ? Netif.OKAY : Netif.ERROR;
        } else {
            fault = fault == null ? send() : fault;
            status = status(fault);
            if (fault == null) {
                counters.moved(packet.total());
            } else {
                counters.dropped(fault);
            }
        }
        answer(status);
        unpublished = true;
        packet.clear();
    }

    private static short status(@Nullable DropReason fault) {
        if (fault == null) {
            return Netif.OKAY;
        }
        return fault == DropReason.HOST ? Netif.DROPPED : Netif.ERROR;
    }

    private boolean changeFilter() {
        if (packet.multicast() == Netif.EXTRA_MCAST_ADD) {
            return filter.add(packet.multicastAddress());
        }
        filter.remove(packet.multicastAddress());
        return true;
    }

    private @Nullable DropReason send() {
        credit.use(packet.total());
        try {
            if (!pin()) {
                return DropReason.GRANT;
            }
            gather();
            DropReason fault = TxOffload.describe(packet, headers, header);
            if (fault != null) {
                return fault;
            }
            return port.send(vectors) < 0 ? DropReason.HOST : null;
        } finally {
            for (int i = 0; i < packet.slots(); i++) {
                pages.unpin(i);
            }
        }
    }

    private boolean pin() {
        for (int i = 0; i < packet.slots(); i++) {
            if (packet.size(i) != 0 && !pages.pin(i, packet.gref(i), true)) {
                return false;
            }
        }
        return true;
    }

    /// Copies the frame's first bytes, and lists the rest.
    private void gather() {
        headers.begin(packet.total());
        vectors.clear();
        vectors.add(header.memory().address(), VnetHeader.BYTES);
        vectors.add(headers.memory().address(), Math.min(packet.total(), PacketHeaders.BYTES));
        for (int i = 0; i < packet.slots(); i++) {
            int size = packet.size(i);
            if (size != 0) {
                MemorySegment memory = pages.memory(i);
                long at = pages.offset(i) + packet.offset(i);
                int head = headers.append(memory, at, size);
                if (size > head) {
                    vectors.add(memory.address() + at + head, size - head);
                }
            }
        }
    }

    /// Answers the first slot, those with extra information, and the fragments.
    private void answer(short status) {
        answer(packet.id(0), status);
        for (int i = 0; i < packet.extras(); i++) {
            answer((short) 0, Netif.NULL);
        }
        for (int i = 1; i < packet.slots(); i++) {
            answer(packet.id(i), status);
        }
    }

    private void answer(short id, short status) {
        MemorySegment answer = ring.blankAnswer();
        answer.set(JAVA_SHORT_UNALIGNED, TxResponse.ID.offset64(), id);
        answer.set(JAVA_SHORT_UNALIGNED, TxResponse.STATUS.offset64(), status);
        ring.answer();
    }
}
