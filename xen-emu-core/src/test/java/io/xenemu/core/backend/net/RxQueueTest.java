package io.xenemu.core.backend.net;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.backend.net.FrontRx.Answer;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.net.TapOffload;
import java.io.ByteArrayOutputStream;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class RxQueueTest {
    private static final RxFeatures ALL = new RxFeatures(true, true, true, true, true, 0);
    private static final RxFeatures NONE = new RxFeatures(false, false, false, false, false, 0);
    private static final long SECOND = 1_000_000_000L;

    private final Arena arena = Arena.ofShared();

    @AfterEach
    void free() {
        arena.close();
    }

    private static List<Byte> raw(int... bytes) {
        return Arrays.stream(bytes).mapToObj(b -> (byte) b).toList();
    }

    private FrontRx front(RxFeatures features) {
        return new FrontRx(arena, features, new MulticastFilter(false));
    }

    @Test
    void aFrameOfOnePageTakesOneSlot() {
        FrontRx front = front(NONE);
        front.post(2);
        byte[] frame = Frames.plain(1514);
        front.host(frame);
        assertEquals(RxQueue.State.IDLE, front.serve(0));
        List<Answer> answers = front.answers();
        assertEquals(1, answers.size());
        assertEquals(1000, answers.get(0).id());
        assertEquals(0, answers.get(0).flags());
        assertEquals(1514, answers.get(0).status());
        assertArrayEquals(frame, front.take(answers.get(0), false));
    }

    @Test
    void answersAreInSlotOrderAndExtrasStandAfterTheFirst() {
        FrontRx front = front(ALL);
        front.post(18);
        byte[] frame = Frames.ipv4(6, 9000, 0, 0);
        front.host(frame, VnetHeader.NEEDS_CSUM, VnetHeader.GSO_TCPV4 | VnetHeader.GSO_ECN, 1448);
        front.serve(0);
        List<Answer> answers = front.answers();
        assertEquals(4, answers.size());
        assertEquals(
                Netif.RX_CSUM_BLANK
                        | Netif.RX_DATA_VALIDATED
                        | Netif.RX_EXTRA_INFO
                        | Netif.RX_MORE_DATA,
                answers.get(0).flags());
        assertEquals(raw(1, 0, 1448 & 0xff, 1448 >> 8, 1, 0, 0, 0), answers.get(1).raw());
        assertEquals(Netif.RX_MORE_DATA, answers.get(2).flags());
        assertEquals(0, answers.get(3).flags());
        ByteArrayOutputStream received = new ByteArrayOutputStream();
        for (int i = 0; i < 4; i++) {
            received.writeBytes(front.take(answers.get(i), i == 1));
        }
        assertArrayEquals(frame, received.toByteArray());
    }

    /// The host has few pages for small frames, and a large one among them is whole all the same.
    @Test
    void largeFramesAfterManySmallOnesAreWhole() {
        FrontRx front = front(ALL);
        for (int i = 0; i < 100; i++) {
            front.post(1);
            front.host(Frames.plain(60 + i));
            front.serve(i);
            assertEquals(60 + i, front.take(front.answers().getLast(), false).length);
        }
        for (int bytes : new int[] {60_000, 9000, 60, 60_000}) {
            front.post(18);
            byte[] frame = Frames.plain(bytes);
            front.host(frame);
            front.serve(200);
            ByteArrayOutputStream received = new ByteArrayOutputStream();
            for (Answer answer : front.answers()) {
                received.writeBytes(front.take(answer, false));
            }
            assertArrayEquals(frame, received.toByteArray());
        }
    }

    @Test
    void aHeadroomIsLeftFreeInEachPageAndTold() {
        FrontRx front = front(ALL.withHeadroom(256));
        front.post(18);
        byte[] frame = Frames.ipv6(6, 5000);
        front.host(frame, VnetHeader.NEEDS_CSUM, VnetHeader.GSO_TCPV6, 1400);
        front.serve(0);
        List<Answer> answers = front.answers();
        assertEquals(4, answers.size());
        assertEquals(raw(1, 1, 1400 & 0xff, 1400 >> 8, 2, 0, 0, 0), answers.get(1).raw());
        assertEquals(raw(5, 0, 0, 1, 0, 0, 0, 0), answers.get(2).raw());
        assertEquals(256, answers.get(0).offset());
        assertEquals(4096 - 256, answers.get(0).status());
        ByteArrayOutputStream received = new ByteArrayOutputStream();
        for (int i = 0; i < 4; i++) {
            received.writeBytes(front.take(answers.get(i), i == 1 || i == 2));
        }
        assertArrayEquals(frame, received.toByteArray());
    }

    @Test
    void aFrameThatTheHostHasCheckedIsMarkedSo() {
        FrontRx front = front(ALL);
        front.post(1);
        front.host(Frames.plain(60), VnetHeader.DATA_VALID, 0, 0);
        front.serve(0);
        assertEquals(Netif.RX_DATA_VALIDATED, front.answers().get(0).flags());
    }

    @Test
    void workThatTheGuestHasNotAgreedToIsNotGivenToIt() {
        FrontRx front = front(NONE);
        front.post(18);
        front.host(Frames.plain(5000));
        front.host(Frames.plain(60), VnetHeader.NEEDS_CSUM, 0, 0);
        front.host(Frames.plain(60), 0, VnetHeader.GSO_TCPV4, 1448);
        front.serve(0);
        assertEquals(List.of(), front.answers());
        assertEquals(3, front.counters.drops(DropReason.UNWANTED).sum());
        assertEquals(Set.of(), NONE.offloads());
        assertEquals(Set.of(TapOffload.values()), ALL.offloads());
    }

    @Test
    void aPageThatIsNotGrantedIsAnErrorInItsSlotAlone() {
        FrontRx front = front(ALL);
        front.pages.refused.add(1);
        front.post(4);
        front.host(Frames.plain(9000));
        front.host(Frames.plain(60));
        front.serve(0);
        List<Answer> answers = front.answers();
        assertEquals(4, answers.size());
        assertEquals(4096, answers.get(0).status());
        assertEquals(Netif.ERROR, answers.get(1).status());
        assertEquals(Netif.RX_MORE_DATA, answers.get(1).flags());
        assertEquals(60, answers.get(3).status());
    }

    @Test
    void multicastThatTheGuestHasNotAskedForIsFiltered() {
        MulticastFilter filter = new MulticastFilter(true);
        FrontRx front = new FrontRx(arena, ALL, filter);
        front.post(4);
        byte[] frame = Frames.plain(60);
        frame[0] = 1;
        front.host(frame);
        front.serve(0);
        assertEquals(List.of(), front.answers());
        filter.add(EthernetAddress.read(java.lang.foreign.MemorySegment.ofArray(frame), 0));
        front.host(frame);
        front.serve(0);
        assertEquals(1, front.answers().size());
    }

    /// XSA-392: a guest that takes no packets. One frame is held, the host keeps the others.
    @Test
    void xsa392AGuestWithoutPagesMakesTheQueueHoldOneFrame() {
        FrontRx front = front(ALL);
        for (int i = 0; i < 100; i++) {
            front.host(Frames.plain(1000));
        }
        assertEquals(RxQueue.State.STARVED, front.serve(0));
        assertEquals(99, front.port.toReceive.size());
        assertEquals(RxQueue.DROP_NANOS, front.queue.untilTooOld(0));
        assertEquals(RxQueue.State.STARVED, front.serve(9 * SECOND));
        // After 10 s it and all that come are dropped.
        assertEquals(RxQueue.State.IDLE, front.serve(10 * SECOND));
        assertEquals(100, front.counters.drops(DropReason.NO_BUFFERS).sum());
        front.host(Frames.plain(1000));
        front.serve(59 * SECOND);
        assertFalse(front.queue.isStalled(59 * SECOND));
        assertTrue(front.queue.isStalled(60 * SECOND));
        assertFalse(front.queue.recover());
        front.post(1);
        assertTrue(front.queue.recover());
        front.host(Frames.plain(1000));
        front.serve(71 * SECOND);
        assertEquals(1, front.answers().size());
        assertFalse(front.queue.isStalled(71 * SECOND));
    }

    /// XSA-392: a guest that leaves one slot free. Frames that fit into it still go.
    @Test
    void xsa392OneSlotIsNotEnoughForALargeFrame() {
        FrontRx front = front(ALL);
        front.post(1);
        front.host(Frames.plain(9000));
        front.host(Frames.plain(60));
        assertEquals(RxQueue.State.STARVED, front.serve(0));
        front.serve(10 * SECOND);
        assertEquals(60, front.answers().get(0).status());
        assertEquals(1, front.counters.drops(DropReason.NO_BUFFERS).sum());
    }

    @Test
    void aStarvedQueueAsksForAnEventWhenEnoughPagesAreThere() {
        FrontRx front = front(ALL);
        front.post(1);
        front.host(Frames.plain(9000));
        assertEquals(RxQueue.State.STARVED, front.serve(0));
        int event = front.ring.index(io.xenemu.core.backend.ring.FrontRing.REQ_EVENT);
        assertEquals(-100 + 3, event);
        front.post(2);
        assertEquals(RxQueue.State.IDLE, front.serve(0));
        assertEquals(3, front.answers().size());
    }

    @Test
    void aBrokenRingIsLeftAlone() {
        FrontRx front = front(ALL);
        front.ring.setIndex(io.xenemu.core.backend.ring.FrontRing.REQ_PROD, 1000);
        front.host(Frames.plain(60));
        front.serve(0);
        assertTrue(front.queue.isBroken());
        assertEquals(List.of(), front.answers());
    }

    /// The largest frame of a tap fills 17 pages and the slot for its segments.
    @Test
    void aFrameOf64KibTakes18Slots() {
        FrontRx front = front(ALL);
        front.post(18);
        front.host(Frames.ipv4(6, 65536 - 20, 0, 0), 1, VnetHeader.GSO_TCPV4, 1448);
        front.serve(0);
        assertEquals(18, front.answers().size());
    }

    @Test
    void aFrameThatTheHostCannotGiveIsDroppedAlone() {
        FrontRx front = front(NONE);
        front.post(2);
        front.host(Frames.plain(100));
        for (int errno : new int[] {Errno.EFAULT, Errno.ENOMEM, Errno.EINVAL}) {
            front.port.fault = -errno;
            front.serve(0);
        }
        assertEquals(3, front.counters.drops(DropReason.HOST).sum());
        assertEquals(1, front.answers().size());
        for (int errno : new int[] {Errno.EBADFD, Errno.EBADF, Errno.ENODEV}) {
            front.port.fault = -errno;
            assertThrows(KvmException.class, () -> front.serve(0));
        }
    }
}
