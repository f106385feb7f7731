package io.xenemu.core.backend;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.backend.engine.EngineMap;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.core.toolstack.XenbusState;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.kvm.testing.Eventually;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Queues of devices on the engines of their guest's map.
@Timeout(60)
final class EngineThreadsTest {
    private static final long RING_GFN = 0x20;

    /// More than a domain is promised.
    private static final int SPARE = 1 << 10;

    private final NullKind kind = new NullKind(Handshake.INITIALISED);
    private final ServedGuest guest;
    private int nextGrant = 8;

    EngineThreadsTest() throws Exception {
        guest = new ServedGuest(kind);
    }

    @AfterEach
    void close() {
        guest.close();
    }

    private PvDevice attach() throws Exception {
        return guest.attach(ServedGuest.disk("xvda"));
    }

    /// Connects a front end with some queues.
    private List<EvtchnPort> connect(PvDevice device, int queues) throws Exception {
        List<EvtchnPort> ports = new ArrayList<>();
        guest.write(device, "multi-queue-num-queues", queues);
        for (int queue = 0; queue < queues; queue++) {
            String at = queues == 1 ? "" : "queue-" + queue + "/";
            ports.add(guest.unboundPort());
            int grant = nextGrant++;
            guest.write(device, at + "ring-ref", guest.grant(grant, RING_GFN + queue).value());
            guest.write(device, at + "event-channel", ports.getLast().value());
        }
        guest.become(device, XenbusState.INITIALISED);
        return ports;
    }

    private String offered(PvDevice device) throws Exception {
        return guest.client.read(device.backendPath() + "/multi-queue-max-queues");
    }

    private List<String> served() {
        return guest.map.served().stream()
                .map(queue -> queue.device() + "/" + queue.index() + " " + queue.engine())
                .toList();
    }

    private void requireRun(EvtchnPort port) throws Exception {
        int before = kind.runs.get();
        guest.send(port);
        Eventually.holds("the queue runs", () -> kind.runs.get() > before);
    }

    @Test
    void queuesRunOnTheEnginesOfTheMapAndMoveWithIt() throws Exception {
        guest.map.set(EngineMap.parse("block:3,block:1,block:3"));
        PvDevice device = attach();
        assertEquals("3", offered(device));
        List<EvtchnPort> ports = connect(device, 3);
        guest.await(device, XenbusState.CONNECTED);
        assertEquals(
                List.of("vbd-51712/0 block:3", "vbd-51712/1 block:1", "vbd-51712/2 block:3"),
                served());
        for (EvtchnPort port : ports) {
            requireRun(port);
        }
        guest.map.set(EngineMap.parse("block:0,-,block:2"));
        Eventually.holds(
                "the queues move",
                () ->
                        served().equals(
                                        List.of(
                                                "vbd-51712/0 block:0",
                                                "vbd-51712/1 block:1",
                                                "vbd-51712/2 block:2")));
        for (EvtchnPort port : ports) {
            requireRun(port);
        }
        guest.become(device, XenbusState.CLOSED);
        guest.await(device, XenbusState.CLOSED);
        assertEquals(List.of(), served());
    }

    @Test
    void guestIsOfferedNoQueueBehindAGap() throws Exception {
        guest.map.set(EngineMap.parse("block:0,-,block:1"));
        PvDevice device = attach();
        assertEquals("1", offered(device));
        List<EvtchnPort> _ = connect(device, 2);
        guest.await(device, XenbusState.CLOSING);
        assertTrue(guest.client.read(device.errorPath()).contains("multi-queue-num-queues"));
        assertEquals(List.of(), served());
    }

    /// The threads are the service's own, whatever a guest connects.
    @Test
    void queueTakesADescriptorOfTheGuestsShareAndNoThread() throws Exception {
        PvDevice device = attach();
        long descriptors = guest.domain().resources().descriptors().held();
        long threads = guest.domain().resources().threads().held();
        // Shares that are promised hide what is taken from them first.
        assertTrue(guest.domain().resources().descriptors().take(SPARE));
        long taken = guest.domain().resources().descriptors().held();
        List<EvtchnPort> _ = connect(device, 4);
        guest.await(device, XenbusState.CONNECTED);
        assertEquals(taken + 4, guest.domain().resources().descriptors().held());
        assertEquals(threads, guest.domain().resources().threads().held());
        guest.become(device, XenbusState.CLOSED);
        guest.await(device, XenbusState.CLOSED);
        assertEquals(taken, guest.domain().resources().descriptors().held());
        guest.domain().resources().descriptors().give(SPARE);
        assertEquals(descriptors, guest.domain().resources().descriptors().held());
    }

    @Test
    void moreEnginesThanTheDeviceHasQueuesChangeNothing() throws Exception {
        guest.map.set(EngineMap.parse("block:0,block:0,block:0,block:0,block:0,block:0"));
        assertEquals(Integer.toString(NullKind.QUEUES), offered(attach()));
    }

    @Test
    void deviceWithoutAnEngineSaysSoAndDoesNotWork() throws Exception {
        PvDevice device = attach();
        guest.map.set(EngineMap.parse("-,block:0"));
        List<EvtchnPort> _ = connect(device, 1);
        guest.await(device, XenbusState.CONNECTED);
        guest.become(device, XenbusState.CLOSED);
        guest.await(device, XenbusState.CLOSED);
        guest.become(device, XenbusState.INITIALISING);
        guest.await(device, XenbusState.CLOSING);
        assertTrue(guest.client.read(device.errorPath()).contains("no engine"));
        guest.become(device, XenbusState.CLOSED);
        guest.await(device, XenbusState.CLOSED);
        guest.map.set(EngineMap.DEFAULT);
        guest.become(device, XenbusState.INITIALISING);
        guest.await(device, XenbusState.INIT_WAIT);
        assertEquals("4", offered(device));
    }
}
