package io.xenemu.core.backend.net;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.backend.net.FrontTx.Answer;
import io.xenemu.kvm.abi.Errno;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class TxQueueTest {
    private static final int TCP = 6;
    private static final int UDP = 17;
    private static final int ICMP = 1;

    private final Arena arena = Arena.ofShared();
    private final FrontTx front = new FrontTx(arena);

    @AfterEach
    void free() {
        assertEquals(0, front.pages.inUse(), "pages pinned");
        arena.close();
    }

    private void assertSent(byte[] frame) {
        assertEquals(1, front.port.sent.size(), "frames sent");
        assertArrayEquals(frame, front.port.frame(0));
    }

    private void assertDropped(DropReason reason) {
        assertEquals(List.of(), front.port.sent);
        assertEquals(1, front.counters.drops(reason).sum(), () -> "dropped by " + reason);
    }

    /// Little-endian numbers of the sent header.
    private int header(int offset, int bytes) {
        byte[] sent = front.port.sent.get(0);
        return bytes == 1
                ? Byte.toUnsignedInt(sent[offset])
                : Byte.toUnsignedInt(sent[offset]) | Byte.toUnsignedInt(sent[offset + 1]) << 8;
    }

    @Test
    void aFrameInOneSlotIsSentAndAnswered() {
        byte[] frame = Frames.plain(1514);
        front.frame(frame);
        front.serve();
        assertSent(frame);
        assertEquals(List.of(new Answer(0, Netif.OKAY)), front.answers());
        assertEquals(1, front.counters.packets.sum());
        assertEquals(1514, front.counters.bytes.sum());
    }

    @Test
    void eighteenSlotsAreServedInTheirOrder() {
        byte[] frame = Frames.plain(40_000);
        int[] sizes = new int[17];
        Arrays.fill(sizes, 2300);
        front.frame(frame, sizes);
        front.serve();
        assertSent(frame);
        List<Answer> answers = front.answers();
        assertEquals(18, answers.size());
        for (int i = 0; i < 18; i++) {
            assertEquals(new Answer(i, Netif.OKAY), answers.get(i));
        }
    }

    @Test
    void nineteenSlotsAreDroppedAndAnswered() {
        int[] sizes = new int[18];
        Arrays.fill(sizes, 100);
        front.frame(Frames.plain(2000), sizes);
        front.frame(Frames.plain(60));
        front.serve();
        assertEquals(1, front.port.sent.size());
        assertEquals(20, front.answers().size());
        assertFalse(front.queue.isBroken());
        assertEquals(1, front.counters.drops(DropReason.SLOTS).sum());
    }

    /// XSA-39, XSA-71 and those after them: a guest that goes on and on.
    @Test
    void twentyOneSlotsEndTheQueue() {
        int[] sizes = new int[20];
        Arrays.fill(sizes, 100);
        front.frame(Frames.plain(2100), sizes);
        front.serve();
        assertTrue(front.queue.isBroken());
        front.frame(Frames.plain(60));
        front.serve();
        assertEquals(List.of(), front.port.sent);
    }

    @Test
    void extraSlotsWithoutEndEndTheQueue() {
        front.data(0, 0, 0, 60, Netif.TX_EXTRA_INFO);
        for (int i = 0; i <= TxPacket.MAX_EXTRAS; i++) {
            front.extra(Netif.EXTRA_HASH, Netif.EXTRA_MORE);
        }
        front.serve();
        assertTrue(front.queue.isBroken());
    }

    /// XSA-423: headers split over fragments.
    @Test
    void xsa423HeadersMayLieInFragmentsOfOneByte() {
        byte[] frame = Frames.ipv4(TCP, 1400, 0, 0);
        int[] ones = new int[17];
        Arrays.fill(ones, 1);
        front.frame(frame, Netif.TX_CSUM_BLANK, () -> {}, ones);
        front.serve();
        assertSent(frame);
        assertEquals(VnetHeader.NEEDS_CSUM, header(0, 1));
        assertEquals(34, header(6, 2));
        assertEquals(16, header(8, 2));
    }

    /// XSA-432: as many tiny fragments as are allowed, before the headers are complete.
    @Test
    void xsa432TinyFragmentsWithSegmentationAreSent() {
        byte[] frame = Frames.ipv4(TCP, 8000, 12, 1);
        int[] sizes = new int[17];
        Arrays.fill(sizes, 3);
        sizes[16] = 4096 - 20;
        front.frame(
                frame, Netif.TX_CSUM_BLANK | Netif.TX_EXTRA_INFO, () -> front.gso(1448, 1), sizes);
        front.serve();
        assertSent(frame);
        assertEquals(VnetHeader.GSO_TCPV4, header(1, 1));
        assertEquals(14 + 4 + 32 + 20, header(2, 2));
        assertEquals(1448, header(4, 2));
        assertEquals(19, front.answers().size());
    }

    /// XSA-448: fragments without a byte.
    @Test
    void xsa448FragmentsOfLengthZeroAreSkippedAndAnswered() {
        byte[] frame = Frames.plain(500);
        front.pages.refused.add(7);
        front.data(1, front.page(0, Arrays.copyOf(frame, 100)), 0, 500, Netif.TX_MORE_DATA);
        front.data(2, 7, 4096, 0, Netif.TX_MORE_DATA);
        front.data(
                3, front.page(9, Arrays.copyOfRange(frame, 100, 500)), 9, 400, Netif.TX_MORE_DATA);
        front.data(4, 7, 0, 0, 0);
        front.serve();
        assertSent(frame);
        assertEquals(
                List.of(new Answer(1, 0), new Answer(2, 0), new Answer(3, 0), new Answer(4, 0)),
                front.answers());
    }

    @Test
    void aFirstSlotWithoutAByteOfItsOwnIsServed() {
        byte[] frame = Frames.plain(64);
        front.data(0, 0, 0, 64, Netif.TX_MORE_DATA);
        front.data(1, front.page(0, frame), 0, 64, 0);
        front.serve();
        assertSent(frame);
    }

    /// XSA-216: an answer has no byte of the service's memory.
    @Test
    void xsa216AnswersAreZeroBesideIdAndStatus() {
        front.data(0x1234, front.page(0, Frames.plain(60)), 0, 60, Netif.TX_EXTRA_INFO);
        front.extra(Netif.EXTRA_HASH, 0);
        front.serve();
        assertEquals(
                List.of(new Answer(0x1234, Netif.OKAY), new Answer(0, Netif.NULL)),
                front.answers());
    }

    /// XSA-424: dropping is no other way than sending.
    @Test
    void xsa424ADroppedFrameIsAnsweredAndTheNextOneGoesOn() {
        front.port.refusal = -Errno.EIO;
        front.frame(Frames.plain(60));
        front.serve();
        assertDropped(DropReason.HOST);
        assertEquals(List.of(new Answer(0, Netif.DROPPED)), front.answers());
        front.port.refusal = 0;
        front.frame(Frames.plain(61));
        front.serve();
        assertSent(Frames.plain(61));
    }

    @Test
    void sizesThatRunBackwardsAreDroppedSlotBySlot() {
        // 64 KiB and 4 bytes: the size of the whole has lost its upper bits.
        front.data(0, 0, 0, 4, Netif.TX_MORE_DATA);
        for (int i = 1; i <= 16; i++) {
            front.data(i, i, 0, 4096, i < 16 ? Netif.TX_MORE_DATA : 0);
        }
        front.frame(Frames.plain(60));
        front.serve();
        assertEquals(1, front.port.sent.size());
        List<Answer> answers = front.answers();
        assertEquals(18, answers.size());
        assertEquals(new Answer(16, Netif.ERROR), answers.get(16));
        assertEquals(1, front.counters.drops(DropReason.SIZE).sum());
    }

    @Test
    void bytesBeyondAPageAreDropped() {
        front.data(0, 0, 4000, 200, 0);
        front.serve();
        assertDropped(DropReason.SIZE);
    }

    @Test
    void framesShorterThanAnEthernetHeaderAreDropped() {
        front.data(0, 0, 0, 13, 0);
        front.serve();
        assertDropped(DropReason.SIZE);
    }

    @Test
    void aPageThatIsNotGrantedDropsTheFrameAndUnpinsTheOthers() {
        front.pages.refused.add(5);
        front.data(0, 4, 0, 300, Netif.TX_MORE_DATA);
        front.data(1, 5, 0, 100, Netif.TX_MORE_DATA);
        front.data(2, 6, 0, 100, 0);
        front.serve();
        assertDropped(DropReason.GRANT);
        assertEquals(3, front.answers().size());
    }

    @Test
    void segmentsOfSizeZeroAreDropped() {
        front.frame(Frames.ipv4(TCP, 3000, 0, 0), Netif.TX_EXTRA_INFO, () -> front.gso(0, 1));
        front.serve();
        assertDropped(DropReason.SEGMENTATION);
    }

    @Test
    void segmentationOfAnUnknownTypeOrTheWrongVersionIsDropped() {
        front.frame(Frames.ipv4(TCP, 3000, 0, 0), Netif.TX_EXTRA_INFO, () -> front.gso(1448, 3));
        front.frame(Frames.ipv4(TCP, 3000, 0, 0), Netif.TX_EXTRA_INFO, () -> front.gso(1448, 2));
        front.frame(Frames.ipv4(UDP, 3000, 0, 0), Netif.TX_EXTRA_INFO, () -> front.gso(1448, 1));
        front.serve();
        assertEquals(3, front.counters.drops(DropReason.SEGMENTATION).sum());
        assertEquals(List.of(), front.port.sent);
    }

    @Test
    void extraInformationOfAnUnknownTypeDropsTheFrame() {
        front.frame(Frames.plain(60), Netif.TX_EXTRA_INFO, () -> front.extra(6, 0));
        front.serve();
        assertDropped(DropReason.EXTRA);
        assertEquals(
                List.of(new Answer(0, Netif.ERROR), new Answer(0, Netif.NULL)), front.answers());
    }

    @Test
    void aBlankChecksumOfSomethingElseIsDropped() {
        front.frame(Frames.ipv4(ICMP, 64, 0, 0), Netif.TX_CSUM_BLANK, () -> {});
        front.frame(Frames.plain(100), Netif.TX_CSUM_BLANK, () -> {});
        // A fragment's header.
        front.frame(Frames.ipv6(TCP, 100, 44), Netif.TX_CSUM_BLANK, () -> {});
        byte[] fragment = Frames.ipv4(UDP, 64, 0, 0);
        fragment[20] = 0x20;
        front.frame(fragment, Netif.TX_CSUM_BLANK, () -> {});
        // The checksum would be beyond the frame's end.
        front.frame(Frames.ipv4(TCP, 17, 0, 0), Netif.TX_CSUM_BLANK, () -> {});
        front.serve();
        assertEquals(5, front.counters.drops(DropReason.CHECKSUM).sum());
        assertEquals(5, front.answers().size());
    }

    @Test
    void checksumsOfUdpBehindTagsAndOptionsAreFound() {
        front.frame(Frames.ipv4(UDP, 64, 40, 2), Netif.TX_CSUM_BLANK, () -> {});
        front.serve();
        assertEquals(14 + 8 + 60, header(6, 2));
        assertEquals(6, header(8, 2));
    }

    @Test
    void checksumsBehindIpv6ExtensionsAreFound() {
        front.frame(Frames.ipv6(TCP, 500, 0, 43, 60), Netif.TX_CSUM_BLANK, () -> {});
        front.serve();
        assertEquals(14 + 40 + 24, header(6, 2));
        assertEquals(16, header(8, 2));
    }

    @Test
    void extensionsWithoutEndAreDropped() {
        int[] extensions = new int[9];
        Arrays.fill(extensions, 60);
        front.frame(Frames.ipv6(TCP, 500, extensions), Netif.TX_CSUM_BLANK, () -> {});
        front.serve();
        assertDropped(DropReason.CHECKSUM);
    }

    @Test
    void segmentsOfIpv6GetAHeaderOfTheirVersion() {
        front.frame(
                Frames.ipv6(TCP, 3000),
                Netif.TX_CSUM_BLANK | Netif.TX_EXTRA_INFO,
                () -> front.gso(1400, 2));
        front.serve();
        assertEquals(VnetHeader.GSO_TCPV6, header(1, 1));
        assertEquals(74, header(2, 2));
    }

    @Test
    void segmentsWithAChecksumStartItAnew() {
        byte[] frame = Frames.ipv4(TCP, 3000, 0, 0);
        front.frame(frame, Netif.TX_EXTRA_INFO, () -> front.gso(1448, 1));
        front.serve();
        byte[] sent = front.port.frame(0);
        // 10.0.0.1 and 10.0.0.2, TCP, 3000 bytes.
        int sum = 0x0a00 + 1 + 0x0a00 + 2 + 6 + 3000;
        assertEquals((byte) (sum >> 8), sent[34 + 16]);
        assertEquals((byte) sum, sent[34 + 17]);
        assertEquals(VnetHeader.NEEDS_CSUM, header(0, 1));
    }

    @Test
    void aFrameWhoseRestComesLaterIsSentThen() {
        byte[] frame = Frames.plain(600);
        front.data(0, front.page(0, Arrays.copyOf(frame, 200)), 0, 600, Netif.TX_MORE_DATA);
        front.serve();
        assertEquals(List.of(), front.port.sent);
        front.data(1, front.page(0, Arrays.copyOfRange(frame, 200, 600)), 0, 400, 0);
        front.serve();
        assertSent(frame);
        assertEquals(2, front.answers().size());
    }

    @Test
    void multicastAddressesAreAddedUpToTheLimit() {
        for (int i = 0; i <= MulticastFilter.LIMIT; i++) {
            front.data(i, 0, 0, 0, Netif.TX_EXTRA_INFO);
            front.extra(
                    Netif.EXTRA_MCAST_ADD,
                    0,
                    (byte) 1,
                    (byte) 0,
                    (byte) 0x5e,
                    (byte) 0,
                    (byte) 0,
                    (byte) i);
        }
        front.serve();
        List<Answer> answers = front.answers();
        assertEquals(new Answer(63, Netif.OKAY), answers.get(126));
        assertEquals(new Answer(64, Netif.ERROR), answers.get(128));
        assertTrue(front.filter.admits(0x0100_5e00_0003L));
        assertFalse(front.filter.admits(0x0100_5e00_0040L));
        front.data(0, 0, 0, 0, Netif.TX_EXTRA_INFO);
        front.extra(
                Netif.EXTRA_MCAST_DEL,
                0,
                (byte) 1,
                (byte) 0,
                (byte) 0x5e,
                (byte) 0,
                (byte) 0,
                (byte) 3);
        front.serve();
        assertFalse(front.filter.admits(0x0100_5e00_0003L));
        assertTrue(front.filter.admits(EthernetAddress.BROADCAST));
        assertTrue(front.filter.admits(0x0016_3e00_0001L));
        assertEquals(List.of(), front.port.sent);
    }
}
