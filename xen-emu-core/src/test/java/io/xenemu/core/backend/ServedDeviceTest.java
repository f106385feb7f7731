package io.xenemu.core.backend;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.domain.TestDomain;
import io.xenemu.core.toolstack.DetachMode;
import io.xenemu.core.toolstack.DeviceKind;
import io.xenemu.core.toolstack.DiskSpec;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.core.toolstack.XenbusState;
import io.xenemu.core.vm.FakeVm;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.testing.Eventually;
import io.xenemu.xenstore.client.XenStoreClient;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/// A device of the service, from its attachment to its end, with front ends as guests have them.
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class ServedDeviceTest {
    private static final long RING = 0x200;
    private static final int CYCLES = 1000;
    private static final long FLOOD_NANOS = 200_000_000;

    private final NullKind kind = new NullKind(Handshake.INITIALISED);
    private ServedGuest guest = new ServedGuest(kind);

    ServedDeviceTest() throws Exception {}

    @AfterEach
    void close() {
        guest.close();
    }

    /// Publishes a ring of one page.
    private EvtchnPort publish(PvDevice device) throws XenError {
        guest.write(device, "ring-ref", guest.grant(9, RING).value());
        EvtchnPort port = guest.unboundPort();
        guest.write(device, "event-channel", port.value());
        return port;
    }

    private EvtchnPort connect(PvDevice device) throws XenError {
        EvtchnPort port = publish(device);
        guest.become(device, XenbusState.INITIALISED);
        guest.await(device, XenbusState.CONNECTED);
        guest.become(device, XenbusState.CONNECTED);
        return port;
    }

    private void disconnect(PvDevice device, EvtchnPort port) throws XenError {
        guest.become(device, XenbusState.CLOSING);
        guest.await(device, XenbusState.CLOSING);
        guest.become(device, XenbusState.CLOSED);
        guest.await(device, XenbusState.CLOSED);
        assertTrue(guest.revoke(9), "the page is free when the back end is Closed");
        guest.close(port);
    }

    private void assertNothingHeld() {
        assertEquals(0, kind.connections.get());
        assertEquals(0, guest.servicePorts());
        assertEquals(0, guest.domain().grantTable().save().mappings().size());
        assertEquals(List.of(), queues());
    }

    private List<String> queues() {
        return guest.map.served().stream()
                .map(queue -> queue.device() + "-q" + queue.index())
                .toList();
    }

    @Test
    void guestConnectsAndItsEventsAreServed() throws Exception {
        PvDevice device = guest.attach(ServedGuest.disk("xvda"));
        assertEquals(XenbusState.INIT_WAIT, guest.state(device));
        assertEquals("2", guest.client.read(device.backendPath() + "/max-ring-page-order"));

        EvtchnPort port = connect(device);

        assertEquals("8", guest.client.read(device.backendPath() + "/sectors"));
        assertEquals(List.of("vbd-51712-q0"), queues());
        Eventually.holds("the queue works at the start", () -> kind.runs.get() > 0);
        int before = kind.runs.get();
        guest.send(port);
        Eventually.holds("the event is served", () -> kind.runs.get() > before);
        assertTrue(guest.guest().memory().read32(RING << 12) > before);
        assertFalse(guest.revoke(9));

        disconnect(device, port);
        assertNothingHeld();
        assertEquals(1, kind.open.get(), "it waits for the guest to come back");
        guest.devices.detach(device, DetachMode.ORDERLY);
        assertEquals(0, kind.open.get());
        assertFalse(guest.client.exists("/local/domain/0/backend"));
        assertFalse(guest.client.exists("/libxl/1"));
    }

    /// kexec and crash kernels (Linux waits at most 5 s for each answer).
    @Test
    void guestReconnectsAThousandTimes() throws Exception {
        PvDevice device = guest.attach(ServedGuest.disk("xvda"));
        for (int cycle = 0; cycle < CYCLES; cycle++) {
            EvtchnPort port = connect(device);
            disconnect(device, port);
            assertEquals(0, guest.servicePorts());
            guest.become(device, XenbusState.INITIALISING);
            guest.await(device, XenbusState.INIT_WAIT);
        }
        assertNothingHeld();
        assertEquals(CYCLES, kind.drains.get());
        EvtchnPort port = connect(device);
        disconnect(device, port);
    }

    /// Windows' block driver closes and opens again at every start.
    @Test
    void windowsStartsByClosing() throws Exception {
        PvDevice device = guest.attach(ServedGuest.disk("xvda"));
        guest.become(device, XenbusState.CLOSING);
        guest.await(device, XenbusState.CLOSING);
        guest.become(device, XenbusState.CLOSED);
        guest.await(device, XenbusState.CLOSED);
        guest.become(device, XenbusState.INITIALISING);
        guest.await(device, XenbusState.INIT_WAIT);
        connect(device);
    }

    /// A crash kernel may be seen only when it has become Initialising.
    @Test
    void statesMayBeMissed() throws Exception {
        PvDevice device = guest.attach(ServedGuest.disk("xvda"));
        EvtchnPort port = connect(device);
        guest.become(device, XenbusState.INITIALISING);
        guest.await(device, XenbusState.INIT_WAIT);
        assertNothingHeld();
        guest.close(port);
        publish(device);
        guest.become(device, XenbusState.CONNECTED);
        guest.await(device, XenbusState.CONNECTED);
    }

    @Test
    void frontEndThatConnectsAtOnceIsSettingsAware() throws Exception {
        NullKind net = new NullKind(Handshake.CONNECTED);
        try (ServedGuest other = new ServedGuest(net)) {
            PvDevice device = other.attach(ServedGuest.disk("xvda"));
            other.write(device, "ring-ref", other.grant(9, RING).value());
            other.write(device, "event-channel", other.unboundPort().value());
            other.become(device, XenbusState.CONNECTED);
            other.await(device, XenbusState.CONNECTED);
            other.write(device, "xdp-headroom", 256);
            other.become(device, XenbusState.RECONFIGURING);
            other.await(device, XenbusState.RECONFIGURED);
            other.become(device, XenbusState.CONNECTED);
            other.await(device, XenbusState.CONNECTED);
        }
    }

    @Test
    void queuesAndRingsOfSeveralPages() throws Exception {
        PvDevice device = guest.attach(ServedGuest.disk("xvda"));
        guest.write(device, "multi-queue-num-queues", 4);
        guest.write(device, "ring-page-order", 1);
        int ref = 10;
        for (int queue = 0; queue < 4; queue++) {
            String nodes = "queue-" + queue + "/";
            guest.write(device, nodes + "ring-ref0", guest.grant(ref, RING + 2L * ref).value());
            guest.write(device, nodes + "ring-ref1", guest.grant(ref + 1, RING).value());
            guest.write(device, nodes + "event-channel", guest.unboundPort().value());
            ref += 2;
        }
        guest.become(device, XenbusState.INITIALISED);
        guest.await(device, XenbusState.CONNECTED);
        assertEquals(
                List.of("vbd-51712-q0", "vbd-51712-q1", "vbd-51712-q2", "vbd-51712-q3"), queues());
        Eventually.holds("all queues work", () -> kind.runs.get() >= 4);
        guest.devices.detach(device, DetachMode.FORCED);
        assertNothingHeld();
    }

    private void assertRefused(PvDevice device, String error) throws XenError {
        guest.await(device, XenbusState.CLOSING);
        assertEquals(error, guest.client.read(device.errorPath()));
        assertNothingHeld();
    }

    /// XSA-526, 531 and 532: connecting fails half way, and what was made is undone once.
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4, 5, 6})
    void xsa526Xsa531Xsa532FaultAtAStepOfConnectLeavesNothing(int step) throws Exception {
        PvDevice device = guest.attach(ServedGuest.disk("xvda"));
        for (Throwable failure :
                List.of(
                        new FrontendError(XenError.ENOSPC, "as the test wants"),
                        new IllegalStateException("a bug"))) {
            kind.failure = failure;
            kind.failingStep = step;
            EvtchnPort port = publish(device);
            guest.become(device, XenbusState.INITIALISED);
            assertRefused(
                    device,
                    failure instanceof FrontendError ? "28 as the test wants" : "5 internal error");
            guest.become(device, XenbusState.CLOSED);
            guest.await(device, XenbusState.CLOSED);
            assertTrue(guest.revoke(9));
            guest.close(port);
            guest.become(device, XenbusState.INITIALISING);
            guest.await(device, XenbusState.INIT_WAIT);
        }
        kind.failingStep = 0;
        EvtchnPort port = connect(device);
        assertFalse(guest.client.exists(device.errorPath()));
        disconnect(device, port);
        assertNothingHeld();
    }

    private static final String NO_PORT = "22 event channel port77 cannot be bound";

    @Test
    void wrongNodesAreRefusedAndNamed() throws Exception {
        PvDevice device = guest.attach(ServedGuest.disk("xvda"));
        guest.become(device, XenbusState.INITIALISED);
        assertRefused(device, "22 ring-ref is missing");
        again(device, "ring-ref", "12x", "22 ring-ref is not a number");
        again(device, "ring-ref", "-1", "22 ring-ref is not a number");
        again(device, "ring-ref", 77, "22 the ring at gref77 cannot be mapped: GENERAL_ERROR");
        again(device, "ring-ref", guest.grant(9, RING).value(), "22 event-channel is missing");
        again(device, "event-channel", 77, NO_PORT);
        again(device, "ring-page-order", 3, "22 ring-page-order is 3, and can be 0 to 2");
        again(
                device,
                "ring-page-order",
                4294967295L,
                "22 ring-page-order is 4294967295, and can be 0 to 2");
    }

    /// CVE-2026-45890: no queue at all, or more than were offered.
    @ParameterizedTest
    @ValueSource(strings = {"0", "5", "4294967295"})
    void cve202645890NumberOfQueuesIsChecked(String queues) throws Exception {
        PvDevice device = guest.attach(ServedGuest.disk("xvda"));
        publish(device);
        guest.write(device, "multi-queue-num-queues", queues);
        guest.become(device, XenbusState.INITIALISED);
        assertRefused(
                device, "22 multi-queue-num-queues is %s, and can be 1 to 4".formatted(queues));
    }

    private void again(PvDevice device, String node, Object value, String error) throws XenError {
        guest.become(device, XenbusState.CLOSED);
        guest.await(device, XenbusState.CLOSED);
        guest.become(device, XenbusState.INITIALISING);
        guest.await(device, XenbusState.INIT_WAIT);
        guest.write(device, node, value);
        guest.become(device, XenbusState.INITIALISED);
        assertRefused(device, error);
    }

    @ParameterizedTest
    @EnumSource(
            value = XenbusState.class,
            names = {"INIT_WAIT", "RECONFIGURING", "RECONFIGURED", "INVALID"})
    void impossibleStateClosesTheDevice(XenbusState state) throws Exception {
        PvDevice device = guest.attach(ServedGuest.disk("xvda"));
        connect(device);
        guest.write(device, "state", state == XenbusState.INVALID ? "four" : state.code());
        guest.await(device, XenbusState.CLOSING);
        assertTrue(guest.client.exists(device.errorPath()));
        assertEquals(1, kind.connections.get(), "its rings are served until it closes them");
        guest.become(device, XenbusState.CLOSED);
        guest.await(device, XenbusState.CLOSED);
        assertNothingHeld();
    }

    /// XSA-350: a front end connects and disconnects as fast as it can, and waits for nothing.
    @Test
    void xsa350ConnectsAtSpeedLeaveNothing() throws Exception {
        PvDevice device = guest.attach(ServedGuest.disk("xvda"));
        publish(device);
        for (int round = 0; round < CYCLES; round++) {
            for (XenbusState state :
                    List.of(
                            XenbusState.INITIALISED,
                            XenbusState.CONNECTED,
                            XenbusState.CLOSING,
                            XenbusState.CLOSED,
                            XenbusState.INITIALISING)) {
                guest.become(device, state);
            }
        }
        guest.settle();
        guest.await(device, XenbusState.INIT_WAIT);
        assertNothingHeld();
        guest.become(device, XenbusState.INITIALISED);
        guest.await(device, XenbusState.CONNECTED);
    }

    /// XSA-332, CVE-2020-27673: a guest sends events without requests all the time.
    @Test
    void xsa332Cve202027673EventsForNothingAreSlowedDown() throws Exception {
        PvDevice device = guest.attach(ServedGuest.disk("xvda"));
        kind.idle = true;
        long begin = System.nanoTime();
        EvtchnPort port = connect(device);
        long floods = 0;
        while (System.nanoTime() - begin < FLOOD_NANOS || floods < CYCLES) {
            guest.send(port);
            floods++;
        }
        long millis = (System.nanoTime() - begin) / 1_000_000;
        int runs = kind.runs.get();
        assertTrue(runs <= millis + 32, runs + " runs in " + millis + " ms");
        kind.idle = false;
        guest.send(port);
        Eventually.holds("no event is lost", () -> kind.runs.get() > runs);
    }

    /// Sends stay in the kernel, which signals the eventfd of the queue's thread.
    @Test
    void kernelWakesTheThreadOfTheQueue() throws Exception {
        PvDevice device = guest.attach(ServedGuest.disk("xvda"));
        connect(device);
        assertTrue(isEventfdAssigned());
        guest.devices.detach(device, DetachMode.FORCED);
        assertFalse(isEventfdAssigned());
    }

    private boolean isEventfdAssigned() {
        return guest.vm.ports().values().stream()
                .anyMatch(FakeVm.Destination.Eventfd.class::isInstance);
    }

    /// XSA-349: watched nodes are written all the time, by several writers.
    @Test
    void xsa349NodesRewrittenAtSpeedCostOneLookAtATime() throws Exception {
        PvDevice device = guest.attach(ServedGuest.disk("xvda"));
        publish(device);
        Thread[] writers = new Thread[3];
        for (int i = 0; i < writers.length; i++) {
            int first = i;
            writers[i] = Thread.ofVirtual().start(() -> rewrite(device, first));
        }
        for (Thread writer : writers) {
            writer.join();
        }
        guest.become(device, XenbusState.CLOSED);
        guest.settle();
        guest.await(device, XenbusState.CLOSED);
        assertNothingHeld();
        guest.become(device, XenbusState.INITIALISING);
        guest.await(device, XenbusState.INIT_WAIT);
        connectAsPublished(device);
    }

    private void connectAsPublished(PvDevice device) throws XenError {
        guest.write(device, "ring-ref", 9);
        guest.write(device, "event-channel", guest.unboundPort().value());
        guest.become(device, XenbusState.INITIALISED);
        guest.await(device, XenbusState.CONNECTED);
    }

    private void rewrite(PvDevice device, int first) {
        try {
            for (int i = 0; i < 3 * CYCLES; i++) {
                switch ((first + i) % 4) {
                    case 0 -> guest.write(device, "state", 1 + i % 8);
                    case 1 -> guest.write(device, "ring-ref", 9 + i % 2);
                    case 2 -> guest.write(device, "queue-" + i % 5 + "/event-channel", i);
                    default -> guest.write(device, "state", 1);
                }
            }
        } catch (XenError e) {
            throw new IllegalStateException(e);
        }
    }

    /// XSA-374: the ring's pages are unmapped while its listener sleeps in the middle of its work.
    @Test
    void xsa374SleepingWorkKeepsItsPages() throws Exception {
        PvDevice device = guest.attach(ServedGuest.disk("xvda"));
        kind.asleep = true;
        EvtchnPort port = connect(device);
        Eventually.holds("the work is in the middle", () -> kind.working);
        guest.become(device, XenbusState.CLOSED);
        Eventually.holds("the connection is closed", () -> kind.connections.get() == 0);

        assertFalse(guest.revoke(9), "the page is in use");
        assertEquals(XenbusState.CONNECTED, guest.state(device));
        kind.asleep = false;

        guest.await(device, XenbusState.CLOSED);
        assertEquals(1, kind.runs.get());
        assertTrue(guest.revoke(9));
        assertNothingHeld();
        guest.close(port);
    }

    @Test
    void requestsInFlightKeepAnOrderlyDetachWaiting() throws Exception {
        guest.close();
        guest = new ServedGuest(Duration.ofSeconds(3), kind);
        PvDevice device = guest.attach(ServedGuest.disk("xvda"));
        connect(device);
        kind.inFlight = true;

        Refused refused =
                assertThrows(Refused.class, () -> guest.devices.detach(device, DetachMode.ORDERLY));

        assertEquals(
                "dom0 has not let go of the device within 3 s; --force removes it",
                refused.reason());
        assertEquals(XenbusState.CLOSING, guest.state(device));
        int runs = kind.runs.get();
        EvtchnPort port = new EvtchnPort(portOf(device));
        guest.send(port);
        Eventually.holds("its rings are still served", () -> kind.runs.get() > runs);

        guest.devices.detach(device, DetachMode.FORCED);
        assertFalse(guest.client.exists(device.backendPath()));
        assertFalse(guest.revoke(9), "the request uses the page");
        assertEquals(1, kind.open.get(), "the request uses the file");
        kind.inFlight = false;
        Eventually.holds("the device is gone", () -> kind.open.get() == 0);
        assertTrue(guest.revoke(9));
        assertNothingHeld();
        assertFalse(guest.client.exists(device.backendPath()), "it makes no node again");
    }

    /// The domain's end has to wait for the first one, whose requests still use the guest's pages.
    @Test
    void deviceWhoseRequestsAreInFlightKeepsItsNumber() throws Exception {
        guest.close();
        guest = new ServedGuest(Duration.ofSeconds(5), kind);
        PvDevice device = guest.attach(ServedGuest.disk("xvda"));
        connect(device);
        ServedDevice first = guest.backends.of(device.frontend()).getFirst();
        kind.inFlight = true;
        guest.devices.detach(device, DetachMode.FORCED);

        Refused refused = assertThrows(Refused.class, () -> guest.attach(ServedGuest.disk("xvda")));

        assertEquals("requests of the detached device are still in flight", refused.reason());
        assertEquals(List.of(first), guest.backends.of(device.frontend()));
        assertFalse(guest.client.exists(device.backendPath()));
        assertEquals(1, kind.open.get(), "the second one is closed");

        kind.inFlight = false;
        assertTrue(guest.backends.awaitEnd(device, Duration.ofSeconds(30)));
        PvDevice second = guest.attach(ServedGuest.disk("xvda"));
        assertEquals(device, second);
        guest.devices.detach(second, DetachMode.FORCED);
        Eventually.holds("the device is gone", () -> kind.open.get() == 0);
    }

    /// Its nodes exist while the old one still waits for its requests.
    @Test
    void deviceThatEndsLeavesTheNodesOfItsSuccessorAlone() throws Exception {
        guest.close();
        guest = new ServedGuest(Duration.ofSeconds(3), kind);
        PvDevice device = guest.attach(ServedGuest.disk("xvda"));
        connect(device);
        kind.inFlight = true;
        guest.devices.detach(device, DetachMode.FORCED);
        Queue<XenbusState> states = new ConcurrentLinkedQueue<>();
        try (XenStoreClient.Registration _ =
                guest.client.watch(
                        device.backendPath() + "/state",
                        _ -> {
                            XenbusState now = stateOf(device);
                            kind.inFlight = now == XenbusState.INVALID;
                            states.add(now);
                        })) {
            assertEquals(device, guest.attach(ServedGuest.disk("xvda")));
            assertEquals(XenbusState.INIT_WAIT, guest.state(device));
        }
        assertFalse(states.contains(XenbusState.CLOSED), states::toString);
        assertEquals(1, kind.open.get());
    }

    /// An event may be on its way when a device ends, and come when its successor closes.
    @Test
    void goneDeviceDoesNotLookAtTheNodesOfItsSuccessor() throws Exception {
        PvDevice device = guest.attach(ServedGuest.disk("xvda"));
        ServedDevice first = guest.backends.of(device.frontend()).getFirst();
        guest.devices.detach(device, DetachMode.FORCED);
        assertEquals(device, guest.attach(ServedGuest.disk("xvda")));
        ServedDevice second = guest.backends.of(device.frontend()).getFirst();
        assertEquals(
                Optional.empty(),
                second.hold(Duration.ofSeconds(30)),
                "it leaves the state as it is");
        guest.client.write(device.backendPath() + "/state", XenbusState.CLOSING.code());

        first.changed();

        assertEquals(Optional.empty(), first.hold(Duration.ofSeconds(30)), "it has looked");
        assertEquals(Phase.GONE, first.phase());
        assertEquals(XenbusState.CLOSING, guest.state(device));
        second.resume();
        guest.devices.detach(device, DetachMode.FORCED);
        assertEquals(0, kind.open.get(), "each is closed once");
    }

    private XenbusState stateOf(PvDevice device) {
        try {
            return guest.state(device);
        } catch (XenError e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void endedDeviceWritesNoNodeAnyMore() throws Exception {
        for (int i = 0; i < CYCLES; i++) {
            PvDevice device = guest.attach(ServedGuest.disk("xvda"));
            assertTrue(guest.backends.end(TestDomain.ID));
            assertEquals(XenbusState.CLOSED, guest.state(device));
            guest.devices.detach(device, DetachMode.FORCED);
        }
    }

    private int portOf(PvDevice device) throws XenError {
        return Integer.parseInt(guest.client.read(device.frontendPath() + "/event-channel"));
    }

    @Test
    void domainsEndWaitsForItsDevices() throws Exception {
        PvDevice device = guest.attach(ServedGuest.disk("xvda"));
        connect(device);
        kind.inFlight = true;
        Thread ending = Thread.ofVirtual().start(guest::end);
        Eventually.holds("the end waits", () -> ending.getState() == Thread.State.TIMED_WAITING);
        assertEquals(1, kind.connections.get());
        kind.inFlight = false;
        ending.join();
        assertEquals(0, kind.connections.get());
        assertEquals(0, kind.open.get());
        assertEquals(List.of(), queues());
        assertEquals(0, guest.servicePorts());
    }

    /// The kernel may still write into pages of requests that do not end in time. These pages stay, and nobody else
    /// gets their memory.
    @Test
    void pagesOfARequestThatDoesNotEndOutliveTheDomain() throws Exception {
        PvDevice device = guest.attach(ServedGuest.disk("xvda"));
        connect(device);
        kind.asleep = true;
        guest.send(new EvtchnPort(portOf(device)));
        Eventually.holds("the work is in the middle", () -> kind.working);

        guest.end();

        assertEquals(1, kind.open.get());
        assertTrue(guest.guest().resources().mappings().charged() > 0, "memory that stays");
        kind.asleep = false;
        Eventually.holds("the device is gone", () -> kind.open.get() == 0);
        Eventually.holds(
                "the memory is gone", () -> guest.guest().resources().mappings().charged() == 0);
        assertEquals(List.of(), queues());
    }

    @Test
    void connectionWhoseEndFailsLeavesNothing() throws Exception {
        PvDevice device = guest.attach(ServedGuest.disk("xvda"));
        kind.failingClose = true;
        EvtchnPort port = connect(device);
        guest.become(device, XenbusState.CLOSED);
        guest.await(device, XenbusState.CLOSED);
        assertNothingHeld();
        assertTrue(guest.revoke(9));
        guest.close(port);
    }

    @Test
    void workThatFailsClosesTheDeviceAlone() throws Exception {
        PvDevice device = guest.attach(ServedGuest.disk("xvda"));
        connect(device);
        Frontend front = Objects.requireNonNull(kind.front);
        front.fail(new IllegalStateException("a bug"));
        guest.await(device, XenbusState.CLOSING);
        assertEquals("5 the device has failed", guest.client.read(device.errorPath()));
        assertEquals(null, guest.domain().shutdownLatch().get());
    }

    @Test
    void deviceThatCannotBeHadGetsNoNodes() throws Exception {
        Refused refused =
                assertThrows(
                        Refused.class,
                        () ->
                                guest.devices.create(
                                        TestDomain.ID,
                                        DomId.DOM0,
                                        DiskSpec.parse(List.of("/missing,raw,xvdb,rw"))));
        assertEquals("missing: no such file", refused.reason());
        assertFalse(guest.client.exists("/local/domain/0/backend"));
        PvDevice device = guest.attach(ServedGuest.disk("xvda"));
        assertThrows(
                Refused.class,
                () -> guest.devices.create(TestDomain.ID, DomId.DOM0, ServedGuest.disk("xvda")));
        assertEquals(1, kind.open.get(), "the second one is given back");
        guest.devices.detach(device, DetachMode.ORDERLY);
    }

    @Test
    void stateIsAGaugeThatGoesWithTheDevice() throws Exception {
        PvDevice device = guest.attach(ServedGuest.disk("xvda"));
        connect(device);
        assertEquals(
                4,
                guest.registry
                        .get("xen.backend.state")
                        .tags("domain", "1", "kind", "vbd", "device", "51712")
                        .gauge()
                        .value());
        guest.devices.detach(device, DetachMode.FORCED);
        assertEquals(List.of(), guest.registry.getMeters());
    }

    /// A save that is given up lets the devices go on.
    @Test
    void heldDeviceTakesNoStepAndSeesLaterWhatHasChanged() throws Exception {
        PvDevice device = guest.attach(ServedGuest.disk("xvda"));
        EvtchnPort port = connect(device);
        guest.settle();
        BackendPart part = new BackendPart(guest.backends, TestDomain.ID);
        part.quiesce();
        int runs = kind.runs.get();
        guest.send(port);
        guest.become(device, XenbusState.CLOSING);
        assertEquals(XenbusState.CONNECTED, guest.state(device));
        assertEquals(runs, kind.runs.get());
        part.resume();
        guest.await(device, XenbusState.CLOSING);
        Eventually.holds("the event is served", () -> kind.runs.get() > runs);
    }

    @Test
    void deviceKeepsItsDomainFromBeingSaved() throws Exception {
        PvDevice device = guest.attach(ServedGuest.disk("xvda"));
        assertEquals(
                List.of("devices of the service: vbd 51712: a null device cannot be saved"),
                guest.domain().parts().blockers());
        PvDevice second = guest.attach(ServedGuest.disk("xvdb"));
        assertEquals(
                List.of(
                        "devices of the service: vbd 51712: a null device cannot be saved; vbd 51728:"
                                + " a null device cannot be saved"),
                guest.domain().parts().blockers());
        for (char letter = 'c'; letter <= 'j'; letter++) {
            PvDevice _ = guest.attach(ServedGuest.disk("xvd" + letter));
        }
        String many = guest.domain().parts().blockers().getFirst();
        assertTrue(many.endsWith("; and 2 more"), many);
        for (char letter = 'c'; letter <= 'j'; letter++) {
            String name = "xvd" + letter;
            guest.devices.detach(
                    guest.devices.list().find(DeviceKind.VBD, TestDomain.ID, name),
                    DetachMode.ORDERLY);
        }
        guest.devices.detach(second, DetachMode.ORDERLY);
        guest.devices.detach(device, DetachMode.ORDERLY);
        assertEquals(List.of(), guest.domain().parts().blockers());
    }
}
