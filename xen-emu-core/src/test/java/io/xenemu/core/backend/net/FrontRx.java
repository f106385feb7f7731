package io.xenemu.core.backend.net;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import com.google.common.primitives.Bytes;
import io.xenemu.core.backend.ring.FrontRing;
import io.xenemu.kvm.memory.GuestMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/// A front end that receives, and the queue that serves it, on one thread.
final class FrontRx {
    private static final int PAGES = 64;
    private static final int FIRST = -100;

    /// The eight bytes of an answer.
    record Answer(int id, int offset, int flags, int status, List<Byte> raw) {}

    final FrontRing ring;
    final FakePages pages;
    final FakePort port = new FakePort();
    final QueueCounters counters = new QueueCounters();
    RxQueue queue;
    private final Arena arena;
    private final RxFeatures features;
    private final MulticastFilter filter;
    private int posted;

    /// The pages posted and not answered yet, in order.
    private final List<Integer> order = new ArrayList<>();

    FrontRx(Arena arena, RxFeatures features, MulticastFilter filter) {
        this.arena = arena;
        this.features = features;
        this.filter = filter;
        pages = new FakePages(arena, PAGES);
        ring = new FrontRing(arena, Netif.RX_RING, 1, FIRST);
        queue = new RxQueue(ring.served(arena), pages, port, features, filter, counters, arena);
    }

    /// Has another queue go on, as in another service. This one is released.
    void move() {
        queue =
                new RxQueue(
                        ring.restored(arena, queue.save()),
                        pages,
                        port,
                        features,
                        filter,
                        counters,
                        arena);
    }

    /// Posts so many pages.
    void post(int count) {
        for (int i = 0; i < count; i++) {
            int page = posted++ % PAGES;
            MemorySegment slot = ring.nextSlot();
            slot.fill((byte) 0x5a);
            slot.set(JAVA_SHORT_UNALIGNED, 0, (short) (1000 + page));
            slot.set(JAVA_INT_UNALIGNED, 4, page);
            order.add(page);
            ring.send();
        }
    }

    /// Puts a frame into the host's interface.
    void host(byte[] frame, int flags, int gsoType, int gsoSize) {
        byte[] bytes = new byte[VnetHeader.BYTES + frame.length];
        ByteBuffer both = ByteBuffer.wrap(bytes);
        both.order(ByteOrder.LITTLE_ENDIAN);
        both.put((byte) flags).put((byte) gsoType).putShort((short) 54).putShort((short) gsoSize);
        both.position(VnetHeader.BYTES);
        both.put(frame);
        port.toReceive.add(bytes);
    }

    void host(byte[] frame) {
        host(frame, 0, 0, 0);
    }

    /// Lets the queue work until it waits.
    RxQueue.State serve(long now) {
        RxQueue.State state;
        do {
            state = queue.work(8, now);
        } while (state == RxQueue.State.BUSY);
        queue.publish();
        return state;
    }

    List<Answer> answers() {
        List<Answer> answers = new ArrayList<>();
        while (ring.hasAnswer()) {
            MemorySegment slot = ring.nextAnswer();
            answers.add(
                    new Answer(
                            Short.toUnsignedInt(slot.get(JAVA_SHORT_UNALIGNED, 0)),
                            Short.toUnsignedInt(slot.get(JAVA_SHORT_UNALIGNED, 2)),
                            Short.toUnsignedInt(slot.get(JAVA_SHORT_UNALIGNED, 4)),
                            slot.get(JAVA_SHORT_UNALIGNED, 6),
                            Bytes.asList(slot.toArray(JAVA_BYTE))));
        }
        return answers;
    }

    /// The bytes that the answer to the oldest posted page tells; an answer with extra information uses up a page too.
    byte[] take(Answer answer, boolean isExtra) {
        int page = order.removeFirst();
        if (isExtra || answer.status < 0) {
            return new byte[0];
        }
        return pages.memory
                .asSlice((long) page * GuestMemory.PAGE_SIZE + answer.offset, answer.status)
                .toArray(JAVA_BYTE);
    }
}
