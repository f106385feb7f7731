package io.xenemu.core.backend.block;

import static io.xenemu.core.backend.block.BlockFront.READ;
import static io.xenemu.core.backend.block.BlockFront.WRITE;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.core.backend.ServedGuest;
import io.xenemu.core.backend.block.BlockFront.Segment;
import io.xenemu.core.backend.ring.FrontRing;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.core.toolstack.XenbusState;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.testing.Eventually;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/// Linux's front end of a disk in small. It goes on in a restored guest.
final class DiskGuestFront {
    private static final int RINGS = 0x280;
    private static final int DATA = 0x200;
    private static final int DATA_REF = 400;
    private static final int RING_REF = 9;
    private static final int PAGE = 4096;

    private record Queue(FrontRing ring, EvtchnPort port) {}

    /// The disk.
    final PvDevice device;

    private final ServedGuest guest;
    private final BlockAbi abi;
    private final List<Queue> queues = new ArrayList<>();

    DiskGuestFront(ServedGuest guest, PvDevice device, BlockAbi abi) {
        this.guest = guest;
        this.device = device;
        this.abi = abi;
    }

    /// The same front end in the restored guest.
    DiskGuestFront(ServedGuest guest, DiskGuestFront before) throws XenError {
        this(guest, before.device, before.abi);
        for (int i = 0; i < before.queues.size(); i++) {
            Queue queue = before.queues.get(i);
            int pages = (int) (queue.ring.page().byteSize() / PAGE);
            queues.add(new Queue(new FrontRing(memory(i, pages), queue.ring), queue.port));
        }
    }

    private MemorySegment memory(int queue, int pages) throws XenError {
        long first = RINGS + (long) queue * pages;
        return guest.guest().memory().segment(first * PAGE, (long) pages * PAGE);
    }

    /// Publishes queues as Linux does.
    ///
    /// @param order of the rings' pages
    void publish(int count, int order) throws XenError {
        queues.clear();
        if (count > 1) {
            guest.write(device, "multi-queue-num-queues", count);
        }
        if (order > 0) {
            guest.write(device, "ring-page-order", order);
        }
        if (abi == BlockAbi.X86_64) {
            guest.write(device, "protocol", "x86_64-abi");
        }
        int pages = 1 << order;
        for (int queue = 0; queue < count; queue++) {
            String below = count > 1 ? "queue-" + queue + "/" : "";
            for (int page = 0; page < pages; page++) {
                int number = queue * pages + page;
                guest.grant(RING_REF + number, RINGS + number);
                String node = order > 0 ? "ring-ref" + page : "ring-ref";
                guest.write(device, below + node, RING_REF + number);
            }
            EvtchnPort port = guest.unboundPort();
            guest.write(device, below + "event-channel", port.value());
            queues.add(new Queue(new FrontRing(memory(queue, pages), abi.layout(), 0), port));
        }
    }

    void connect(int count, int order) throws XenError {
        for (String node : List.of("multi-queue-num-queues", "ring-page-order")) {
            if (guest.client.exists(device.frontendPath() + "/" + node)) {
                guest.client.rm(device.frontendPath() + "/" + node);
            }
        }
        publish(count, order);
        guest.become(device, XenbusState.INITIALISED);
        guest.await(device, XenbusState.CONNECTED);
        guest.become(device, XenbusState.CONNECTED);
    }

    void disconnect() throws XenError {
        guest.become(device, XenbusState.CLOSING);
        guest.await(device, XenbusState.CLOSING);
        guest.become(device, XenbusState.CLOSED);
        guest.await(device, XenbusState.CLOSED);
        for (Queue queue : queues) {
            guest.close(queue.port);
        }
    }

    FrontRing ring(int queue) {
        return queues.get(queue).ring;
    }

    void kick(int queue) throws XenError {
        guest.send(queues.get(queue).port);
    }

    /// Sends a request of one page, and its event.
    void send(int queue, int operation, long sector, int page) throws XenError {
        guest.grant(DATA_REF + page, DATA + page);
        MemorySegment slot = ring(queue).nextSlot();
        int id = abi == BlockAbi.X86_64 ? 8 : 4;
        slot.fill((byte) 0);
        slot.set(ValueLayout.JAVA_BYTE, 0, (byte) operation);
        slot.set(ValueLayout.JAVA_BYTE, 1, (byte) 1);
        slot.set(ValueLayout.JAVA_LONG_UNALIGNED, id, 77);
        slot.set(ValueLayout.JAVA_LONG_UNALIGNED, id + 8L, sector);
        BlockFront.put(slot, id + 16L, new Segment(DATA_REF + page, 0, 7));
        if (ring(queue).send()) {
            kick(queue);
        }
    }

    boolean hasAnswer(int queue) {
        return ring(queue).hasAnswer();
    }

    /// Waits for the next answer.
    ///
    /// @return its status
    int status(int queue) {
        Eventually.holds("the request is answered", () -> hasAnswer(queue));
        return ring(queue).nextAnswer().get(ValueLayout.JAVA_SHORT_UNALIGNED, 10);
    }

    /// Goes back before so many answers: a restored guest has not read them.
    void unanswer(int queue, int count) {
        ring(queue).unread(count);
    }

    /// Takes the grant of a page back.
    ///
    /// @return false if it is in use
    boolean revoke(int page) throws XenError {
        return guest.revoke(DATA_REF + page);
    }

    /// Writes to a page of the disk, and reads it.
    void assertWorks(int queue, int page) throws XenError {
        guest.guest().memory().fill(address(page), PAGE, (byte) (page + 1));
        send(queue, WRITE, 8L * page, page);
        assertEquals(0, status(queue));
        assertReads(queue, page);
    }

    /// Reads a page of the disk that [#assertWorks] has written.
    void assertReads(int queue, int page) throws XenError {
        guest.guest().memory().fill(address(page), PAGE, (byte) 0);
        send(queue, READ, 8L * page, page);
        assertEquals(0, status(queue));
        assertEquals(page + 1, guest.guest().memory().read8(address(page) + PAGE - 1));
    }

    private static long address(int page) {
        return (long) (DATA + page) * PAGE;
    }
}
