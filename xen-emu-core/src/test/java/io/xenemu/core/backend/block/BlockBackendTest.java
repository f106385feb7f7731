package io.xenemu.core.backend.block;

import static io.xenemu.core.backend.block.BlockFront.READ;
import static io.xenemu.core.backend.block.BlockFront.WRITE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.backend.ServedGuest;
import io.xenemu.core.backend.block.BlockFront.Segment;
import io.xenemu.core.backend.ring.FrontRing;
import io.xenemu.core.toolstack.DetachMode;
import io.xenemu.core.toolstack.DiskSpec;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.core.toolstack.XenbusState;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.testing.Eventually;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Disks from their attachment to their end, with front ends as guests have them: nodes, rings in the guest's memory,
/// events, the queues' own threads.
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class BlockBackendTest {
    /// The frame of the first ring page; the data pages are below.
    private static final int RINGS = 0x280;

    private static final int DATA = 0x200;
    private static final int DATA_REF = 400;
    private static final int RING_REF = 9;

    /// Less than the service's own: nothing that is in flight ends before the test says so.
    private static final Duration PATIENCE = Duration.ofSeconds(1);

    @TempDir Path directory;
    private final SlowStore slow = new SlowStore();
    private final BlockKind kind =
            new BlockKind(DiskOpener.RAW, DiskChecker.FILE, new SimpleMeterRegistry());
    private ServedGuest guest = new ServedGuest(kind);

    BlockBackendTest() throws Exception {}

    @AfterEach
    void close() {
        guest.close();
    }

    private Path image() throws Exception {
        return Files.write(directory.resolve("x.img"), new byte[1 << 20]);
    }

    private PvDevice attach(String spec) throws Exception {
        return guest.attach(DiskSpec.parse(List.of(spec)));
    }

    private String node(PvDevice device, String name) throws XenError {
        return guest.client.read(device.backendPath() + "/" + name);
    }

    /// One queue of the guest's front end.
    private record Queue(FrontRing ring, EvtchnPort port) {}

    /// Publishes queues as Linux does.
    private List<Queue> publish(PvDevice device, BlockAbi abi, int queues, int order)
            throws Exception {
        if (queues > 1) {
            guest.write(device, "multi-queue-num-queues", queues);
        }
        if (order > 0) {
            guest.write(device, "ring-page-order", order);
        }
        int pages = 1 << order;
        List<Queue> made = new ArrayList<>();
        for (int queue = 0; queue < queues; queue++) {
            String below = queues > 1 ? "queue-" + queue + "/" : "";
            for (int page = 0; page < pages; page++) {
                int number = queue * pages + page;
                guest.grant(RING_REF + number, RINGS + number);
                guest.write(
                        device,
                        below + (order > 0 ? "ring-ref" + page : "ring-ref"),
                        RING_REF + number);
            }
            MemorySegment memory =
                    guest.guest()
                            .memory()
                            .segment((long) (RINGS + queue * pages) << 12, pages * 4096L);
            FrontRing ring = new FrontRing(memory, abi.layout(), 0);
            EvtchnPort port = guest.unboundPort();
            guest.write(device, below + "event-channel", port.value());
            made.add(new Queue(ring, port));
        }
        return made;
    }

    private List<Queue> connect(PvDevice device, BlockAbi abi, int queues, int order)
            throws Exception {
        List<Queue> made = publish(device, abi, queues, order);
        if (abi == BlockAbi.X86_64) {
            guest.write(device, "protocol", "x86_64-abi");
        }
        guest.become(device, XenbusState.INITIALISED);
        guest.await(device, XenbusState.CONNECTED);
        guest.become(device, XenbusState.CONNECTED);
        return made;
    }

    private void disconnect(PvDevice device, List<Queue> queues) throws XenError {
        guest.become(device, XenbusState.CLOSING);
        guest.await(device, XenbusState.CLOSING);
        guest.become(device, XenbusState.CLOSED);
        guest.await(device, XenbusState.CLOSED);
        for (Queue queue : queues) {
            guest.close(queue.port());
        }
    }

    /// Sends a request of one page, and its event.
    private void send(Queue queue, BlockAbi abi, int operation, long sector, int page)
            throws XenError {
        guest.grant(DATA_REF + page, DATA + page);
        MemorySegment slot = queue.ring().nextSlot();
        int id = abi == BlockAbi.X86_64 ? 8 : 4;
        slot.fill((byte) 0);
        slot.set(ValueLayout.JAVA_BYTE, 0, (byte) operation);
        slot.set(ValueLayout.JAVA_BYTE, 1, (byte) 1);
        slot.set(ValueLayout.JAVA_LONG_UNALIGNED, id, 77);
        slot.set(ValueLayout.JAVA_LONG_UNALIGNED, id + 8L, sector);
        BlockFront.put(slot, id + 16L, new Segment(DATA_REF + page, 0, 7));
        if (queue.ring().send()) {
            guest.send(queue.port());
        }
    }

    private int status(Queue queue) {
        Eventually.holds("the request is answered", () -> queue.ring().hasAnswer());
        return queue.ring().nextAnswer().get(ValueLayout.JAVA_SHORT_UNALIGNED, 10);
    }

    private void assertWorks(Queue queue, BlockAbi abi, int page) throws XenError {
        long address = (long) (DATA + page) << 12;
        guest.guest().memory().fill(address, 4096, (byte) (page + 1));
        send(queue, abi, WRITE, 8L * page, page);
        assertEquals(0, status(queue));
        guest.guest().memory().fill(address, 4096, (byte) 0);
        send(queue, abi, READ, 8L * page, page);
        assertEquals(0, status(queue));
        assertEquals(page + 1, guest.guest().memory().read8(address + 4095));
    }

    @Test
    void guestWritesToTheFileAndReadsFromIt() throws Exception {
        Path image = image();
        PvDevice device = attach("file:" + image + ",xvda,w");
        assertEquals("256", node(device, "feature-max-indirect-segments"));
        assertEquals("1", node(device, "feature-flush-cache"));
        assertEquals("1", node(device, "feature-discard"));
        assertFalse(guest.client.exists(device.backendPath() + "/feature-persistent"));

        List<Queue> queues = connect(device, BlockAbi.X86_64, 1, 0);

        assertEquals("2048", node(device, "sectors"));
        assertEquals("512", node(device, "sector-size"));
        assertEquals("0", node(device, "info"));
        assertWorks(queues.getFirst(), BlockAbi.X86_64, 3);
        assertEquals(4, Files.readAllBytes(image)[3 * 4096]);
        disconnect(device, queues);
        assertTrue(guest.revoke(RING_REF));
        guest.devices.detach(device, DetachMode.ORDERLY);
        FileStore.open(image, true, false).close();
    }

    @Test
    void diskHasSectorsOf4096BytesIfTheOperatorAsksForThem() throws Exception {
        Path image = Files.write(directory.resolve("odd.img"), new byte[5 * 4096 + 512]);
        PvDevice device = attach(image + ",raw,xvda,rw,sector-size=4096");
        List<Queue> queues = connect(device, BlockAbi.X86_64, 1, 0);
        assertEquals("4096", node(device, "sector-size"));
        assertEquals("4096", node(device, "physical-sector-size"));
        assertEquals("40", node(device, "sectors"), "in units of 512 bytes");
        assertWorks(queues.getFirst(), BlockAbi.X86_64, 4);
        send(queues.getFirst(), BlockAbi.X86_64, WRITE, 1, 0);
        assertEquals(-1, status(queues.getFirst()));
        try (var file = new RandomAccessFile(image.toFile(), "rw")) {
            file.setLength(7 * 4096 - 512);
        }
        guest.devices.resize(device);
        Eventually.holds("it has grown", () -> node(device, "sectors").equals("48"));
    }

    /// The wake-up of a queue that waits for the limits is due after a quarter of an hour here. Each one holds the
    /// memory of its queue.
    @Test
    void connectionsToADiskWithALimitLeaveNoWakeUps() throws Exception {
        PvDevice device = attach(image() + ",raw,xvda,rw,bps=4");
        for (int round = 0; round < 3; round++) {
            List<Queue> queues = connect(device, BlockAbi.X86_64, 1, 0);
            send(queues.getFirst(), BlockAbi.X86_64, READ, 0, 0);
            send(queues.getFirst(), BlockAbi.X86_64, READ, 0, 1);
            Eventually.holds("the queue waits", () -> kind.wakeUps() == 1);
            disconnect(device, queues);
            assertEquals(0, kind.wakeUps());
            guest.become(device, XenbusState.INITIALISING);
            guest.await(device, XenbusState.INIT_WAIT);
        }
    }

    @Test
    void diskWithoutAWholeSectorIsRefused() throws Exception {
        Path image = Files.write(directory.resolve("tiny.img"), new byte[2048]);
        var e = assertThrows(Refused.class, () -> attach(image + ",raw,xvda,rw,sector-size=4096"));
        assertEquals(image + " has less than one sector of 4096 bytes", e.reason());
        FileStore.open(image, true, false).close();
    }

    @Test
    void frontEndWithoutProtocolHasTheLayoutOf32Bits() throws Exception {
        PvDevice device = attach(image() + ",raw,xvda,rw");
        List<Queue> queues = connect(device, BlockAbi.X86_32, 1, 0);
        assertWorks(queues.getFirst(), BlockAbi.X86_32, 0);
    }

    @ParameterizedTest
    @CsvSource({"1, 4", "2, 1", "4, 0", "4, 3"})
    void queuesAndRingsAsManyAsOffered(int queues, int order) throws Exception {
        PvDevice device = attach(image() + ",raw,xvda,rw");
        List<Queue> made = connect(device, BlockAbi.X86_64, queues, order);
        for (int i = 0; i < queues; i++) {
            assertEquals(32 << order, made.get(i).ring().size());
            assertWorks(made.get(i), BlockAbi.X86_64, i);
        }
        disconnect(device, made);
        assertEquals(0, guest.servicePorts());
    }

    @Test
    void readOnlyDiskAndCdRomSaySo() throws Exception {
        Path image = image();
        PvDevice disk = attach(image + ",raw,xvda,ro");
        connect(disk, BlockAbi.X86_64, 1, 0);
        assertEquals("4", node(disk, "info"));
        assertEquals("0", node(disk, "feature-flush-cache"));
        assertEquals("0", node(disk, "feature-discard"));
        PvDevice cdrom = attach(image + ",raw,hdc,devtype=cdrom");
        assertEquals("5", node(cdrom, "info"));
        assertEquals("cdrom", node(cdrom, "device-type"));
    }

    @Test
    void discardIsNotOfferedIfTheOperatorForbidsIt() throws Exception {
        PvDevice device = attach(image() + ",raw,xvda,rw,no-discard");
        assertEquals("0", node(device, "feature-discard"));
        assertFalse(guest.client.exists(device.backendPath() + "/discard-granularity"));
    }

    @ParameterizedTest
    @CsvSource({
        "protocol, arm-abi", "protocol, x86_64", "event-channel, 0", "event-channel, text",
        "ring-ref, 499", "ring-ref, -1", "multi-queue-num-queues, 0", "multi-queue-num-queues, 5",
        "ring-page-order, 5"
    })
    void wrongNodeEndsInAnErrorAndALaterConnectWorks(String name, String value) throws Exception {
        PvDevice device = attach(image() + ",raw,xvda,rw");
        publish(device, BlockAbi.X86_64, 1, 0);
        guest.write(device, name, value);
        guest.become(device, XenbusState.INITIALISED);
        guest.await(device, XenbusState.CLOSING);
        assertTrue(guest.client.exists("/local/domain/0/error/backend/vbd/1/51712/error"));
        assertTrue(guest.revoke(RING_REF), "nothing stays mapped");
        assertEquals(0, guest.servicePorts());

        guest.become(device, XenbusState.CLOSED);
        guest.await(device, XenbusState.CLOSED);
        guest.client.rm(device.frontendPath() + "/" + name);
        guest.become(device, XenbusState.INITIALISING);
        guest.await(device, XenbusState.INIT_WAIT);
        List<Queue> queues = connect(device, BlockAbi.X86_64, 1, 0);
        assertWorks(queues.getFirst(), BlockAbi.X86_64, 0);
    }

    @Test
    void fileThatCannotBeADiskIsRefusedInOneLineAndLeavesNothing() throws Exception {
        Path image = image();
        refused(directory.resolve("none"), "no such file");
        refused(directory, "is a directory, not a disk");
        Refused impossible = assertThrows(Refused.class, () -> attach("/a\0b,raw,xvdb,rw"));
        assertTrue(impossible.toString().contains("no file can have"), impossible.toString());
        attach(image + ",raw,xvda,rw");
        refused(image, "is in use");
        assertFalse(guest.client.exists("/local/domain/0/backend/vbd/1/51728"));
    }

    private void refused(Path path, String reason) {
        Refused refused = assertThrows(Refused.class, () -> attach(path + ",raw,xvdb,rw"));
        assertTrue(refused.toString().contains(reason), refused.toString());
    }

    @Test
    void guestIsToldWhenItsDiskHasGrown() throws Exception {
        Path image = image();
        PvDevice device = attach(image + ",raw,xvda,rw");
        Queue queue = connect(device, BlockAbi.X86_64, 1, 0).getFirst();
        send(queue, BlockAbi.X86_64, WRITE, 2048, 0);
        assertEquals(-1, status(queue));
        Refused same = assertThrows(Refused.class, () -> guest.devices.resize(device));
        assertTrue(
                same.toString().contains("has not grown: it has 1048576 bytes"), same.toString());
        BlockingQueue<String> told = new LinkedBlockingQueue<>();
        guest.client.watch(device.backendPath() + "/state", path -> told.add(path));
        Eventually.holds("the watch is there", () -> told.poll() != null);

        setLength(image, 1 << 21);
        guest.devices.resize(device);

        assertNotNull(told.poll(60, TimeUnit.SECONDS), "the state is written again");
        assertEquals("4096", node(device, "sectors"));
        assertEquals("4", node(device, "state"));
        send(queue, BlockAbi.X86_64, WRITE, 2048, 0);
        assertEquals(0, status(queue));

        setLength(image, 1 << 20);
        assertThrows(Refused.class, () -> guest.devices.resize(device), "it is smaller");
        assertEquals("4096", node(device, "sectors"));
    }

    @Test
    void diskThatGrewBeforeItsGuestConnectsHasItsNewSize() throws Exception {
        Path image = image();
        PvDevice device = attach(image + ",raw,xvda,rw");
        setLength(image, 1 << 21);
        guest.devices.resize(device);
        connect(device, BlockAbi.X86_64, 1, 0);
        assertEquals("4096", node(device, "sectors"));
    }

    private static void setLength(Path image, long bytes) throws IOException {
        try (var file = new RandomAccessFile(image.toFile(), "rw")) {
            file.setLength(bytes);
        }
    }

    @Test
    void guestReconnectsAndNothingIsLeft() throws Exception {
        PvDevice device = attach(image() + ",raw,xvda,rw");
        for (int cycle = 0; cycle < 100; cycle++) {
            List<Queue> queues = connect(device, BlockAbi.X86_64, 2, 1);
            assertWorks(queues.getLast(), BlockAbi.X86_64, cycle % 50);
            disconnect(device, queues);
            assertEquals(0, guest.servicePorts());
            assertEquals(0, guest.domain().grantTable().save().mappings().size());
            guest.become(device, XenbusState.INITIALISING);
            guest.await(device, XenbusState.INIT_WAIT);
        }
    }

    /// More than a second's worth: the rest is let in by and by, though the guest sends no further event.
    @Test
    void limitedDiskAnswersEverythingInTheEnd() throws Exception {
        PvDevice device = attach(image() + ",raw,xvda,rw,iops=20,bps=1G");
        Queue queue = connect(device, BlockAbi.X86_64, 1, 0).getFirst();
        for (int i = 0; i < 30; i++) {
            send(queue, BlockAbi.X86_64, READ, 8L * i, i);
        }
        for (int i = 0; i < 30; i++) {
            assertEquals(0, status(queue));
        }
    }

    @Test
    void guestHas64Disks() throws Exception {
        List<PvDevice> disks = new ArrayList<>();
        for (int disk = 0; disk < 64; disk++) {
            Path image = Files.write(directory.resolve(disk + ".img"), new byte[1 << 16]);
            disks.add(attach(image + ",raw,d" + disk + "p0,rw"));
        }
        for (int disk = 0; disk < 64; disk++) {
            List<Queue> queues = connect(disks.get(disk), BlockAbi.X86_64, 1, 0);
            assertWorks(queues.getFirst(), BlockAbi.X86_64, disk % 16);
            disconnect(disks.get(disk), queues);
        }
        assertEquals(0, guest.servicePorts());
    }

    /// XSA-39: an index that cannot be.
    @ParameterizedTest
    @ValueSource(ints = {33, -1})
    void brokenRingStopsItselfAndNoOtherQueueXsa39(int index) throws Exception {
        PvDevice device = attach(image() + ",raw,xvda,rw");
        List<Queue> queues = connect(device, BlockAbi.X86_64, 2, 0);
        queues.getFirst().ring().setIndex(FrontRing.REQ_PROD, index);
        guest.send(queues.getFirst().port());
        Eventually.holds(
                "the guest is told",
                () -> guest.client.exists("/local/domain/0/error/backend/vbd/1/51712/error"));
        assertWorks(queues.getLast(), BlockAbi.X86_64, 1);
        assertFalse(queues.getFirst().ring().hasAnswer());
        disconnect(device, queues);
    }

    /// The guest's pages stay until the store lets go of them, also if the domain ends.
    @Test
    void guestThatClosesWaitsForRequestsInFlight() throws Exception {
        guest.close();
        guest =
                new ServedGuest(
                        ServedGuest.LIMIT,
                        PATIENCE,
                        new BlockKind(disk -> slow, DiskChecker.FILE, new SimpleMeterRegistry()));
        PvDevice device = attach("/slow,raw,xvda,rw");
        List<Queue> queues = connect(device, BlockAbi.X86_64, 1, 0);
        send(queues.getFirst(), BlockAbi.X86_64, READ, 0, 0);
        Eventually.holds("the store has it", () -> slow.submitted.size() == 1);
        guest.become(device, XenbusState.CLOSING);
        guest.await(device, XenbusState.CLOSING);
        guest.become(device, XenbusState.CLOSED);
        assertFalse(guest.revoke(DATA_REF), "the page is in use");
        assertEquals(XenbusState.CLOSING, guest.state(device));
        // After twice that time, so that a server that hangs does not keep the device for ever.
        Eventually.holds("the store is asked to give up", () -> slow.givenUp);
        slow.complete(0, 0);
        guest.await(device, XenbusState.CLOSED);
        assertTrue(guest.revoke(DATA_REF));
        assertTrue(queues.getFirst().ring().hasAnswer());
        guest.devices.detach(device, DetachMode.ORDERLY);
        assertTrue(slow.closed);
    }
}
