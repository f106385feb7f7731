package io.xenemu.core.backend.net;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import io.xenemu.core.backend.ring.FrontRing;
import io.xenemu.kvm.memory.GuestMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/// A front end that sends, and the queue that serves it, on one thread.
final class FrontTx {
    /// Pages of the guest.
    static final int PAGES = 64;

    /// The start of the ring's indices: they wrap soon.
    private static final int FIRST = -100;

    /// The answer to a slot.
    record Answer(int id, int status) {}

    final FrontRing ring;
    final FakePages pages;
    final FakePort port = new FakePort();
    final QueueCounters counters = new QueueCounters();
    final MulticastFilter filter = new MulticastFilter(true);
    TxQueue queue;
    private final Arena arena;
    private int nextPage;

    FrontTx(Arena arena) {
        this(arena, TxCredit.Rate.UNLIMITED);
    }

    FrontTx(Arena arena, TxCredit.Rate rate) {
        this.arena = arena;
        pages = new FakePages(arena, PAGES);
        ring = new FrontRing(arena, Netif.TX_RING, 1, FIRST);
        queue =
                new TxQueue(
                        ring.served(arena),
                        pages,
                        port,
                        new TxCredit(rate, 0),
                        filter,
                        counters,
                        arena);
    }

    /// Has another queue go on, as in another service.
    void move() {
        queue =
                new TxQueue(
                        ring.restored(arena, queue.save()),
                        pages,
                        port,
                        new TxCredit(TxCredit.Rate.UNLIMITED, 0),
                        filter,
                        counters,
                        arena);
    }

    /// Puts bytes into the next page, at an offset.
    ///
    /// @return the page's reference
    int page(int offset, byte[] bytes) {
        int page = nextPage++ % PAGES;
        MemorySegment.copy(
                bytes,
                0,
                pages.memory,
                JAVA_BYTE,
                (long) page * GuestMemory.PAGE_SIZE + offset,
                bytes.length);
        return page;
    }

    /// Sends a slot with data.
    void data(int id, int gref, int offset, int size, int flags) {
        MemorySegment slot = ring.nextSlot();
        slot.set(JAVA_INT_UNALIGNED, 0, gref);
        slot.set(JAVA_SHORT_UNALIGNED, 4, (short) offset);
        slot.set(JAVA_SHORT_UNALIGNED, 6, (short) flags);
        slot.set(JAVA_SHORT_UNALIGNED, 8, (short) id);
        slot.set(JAVA_SHORT_UNALIGNED, 10, (short) size);
        ring.send();
    }

    /// Sends a slot with extra information.
    void extra(int type, int flags, byte... value) {
        MemorySegment slot = ring.nextSlot();
        slot.fill((byte) 0x5a);
        slot.set(JAVA_BYTE, 0, (byte) type);
        slot.set(JAVA_BYTE, 1, (byte) flags);
        MemorySegment.copy(value, 0, slot, JAVA_BYTE, 2, value.length);
        ring.send();
    }

    void gso(int size, int type) {
        extra(Netif.EXTRA_GSO, 0, (byte) size, (byte) (size >> 8), (byte) type, (byte) 0);
    }

    /// Sends a frame in fragments of these sizes, the last one with all the rest.
    void frame(byte[] frame, int flags, Runnable extras, int... sizes) {
        int at = 0;
        for (int i = 0; i <= sizes.length; i++) {
            int size = i < sizes.length ? sizes[i] : frame.length - at;
            byte[] part = java.util.Arrays.copyOfRange(frame, at, at + size);
            int more = i < sizes.length ? Netif.TX_MORE_DATA : 0;
            data(i, page(i, part), i, i == 0 ? frame.length : size, more | (i == 0 ? flags : 0));
            if (i == 0) {
                extras.run();
            }
            at += size;
        }
    }

    void frame(byte[] frame, int... sizes) {
        frame(frame, 0, () -> {}, sizes);
    }

    /// Lets the queue work until nothing is left.
    void serve() {
        while (queue.work(TxPacket.HOSTILE_SLOTS, 0)) {}
        queue.publish();
    }

    /// The answers that came since the last call.
    List<Answer> answers() {
        List<Answer> answers = new ArrayList<>();
        while (ring.hasAnswer()) {
            MemorySegment slot = ring.nextAnswer();
            answers.add(
                    new Answer(
                            Short.toUnsignedInt(slot.get(JAVA_SHORT_UNALIGNED, 0)),
                            slot.get(JAVA_SHORT_UNALIGNED, 2)));
        }
        return answers;
    }
}
