package io.xenemu.core.backend;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.core.toolstack.XenbusState;
import io.xenemu.evtchn.EvtchnPort;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;

/// A front end writes any text into any of its nodes, in any order. Its back end has no internal error, and a later
/// good front end connects.
final class HostileFrontendPropertyTest {
    private static final long RING = 0x200;

    /// A write of a node.
    record Write(String node, String value) {
        /// State 0 is the end of the device.
        boolean isEnd() {
            return node.equals("state") && value.matches("[-+]?0+");
        }
    }

    @Provide
    static Arbitrary<List<List<Write>>> rounds() {
        Arbitrary<String> names =
                Arbitraries.of(
                        "state",
                        "ring-ref",
                        "ring-ref0",
                        "ring-ref1",
                        "ring-page-order",
                        "event-channel",
                        "multi-queue-num-queues",
                        "queue-0",
                        "queue-0/ring-ref",
                        "queue-0/event-channel",
                        "queue-1/event-channel",
                        "queue-/x",
                        "queue-0/a/b",
                        "backend",
                        "backend-id",
                        "protocol");
        Arbitrary<String> values =
                Arbitraries.oneOf(
                        Arbitraries.integers().between(1, 12).map(String::valueOf),
                        Arbitraries.integers().map(Integer::toUnsignedString),
                        Arbitraries.longs().map(String::valueOf),
                        Arbitraries.strings().withCharRange((char) 0, (char) 255).ofMaxLength(40),
                        Arbitraries.just("9".repeat(4000)));
        return Combinators.combine(names, values)
                .as(Write::new)
                .filter(write -> !write.isEnd())
                .list()
                .ofMaxSize(12)
                .list()
                .ofSize(30);
    }

    @Property(tries = 10)
    void anyNodesEndInAStateAndNeverInABug(@ForAll("rounds") List<List<Write>> rounds)
            throws Exception {
        NullKind kind = new NullKind(Handshake.INITIALISED);
        try (ServedGuest guest = new ServedGuest(kind)) {
            PvDevice device = guest.attach(ServedGuest.disk("xvda"));
            for (List<Write> writes : rounds) {
                for (Write write : writes) {
                    guest.write(device, write.node(), write.value());
                }
                guest.become(device, XenbusState.CLOSED);
                guest.settle();
                guest.await(device, XenbusState.CLOSED);
                assertNothingIsLeft(guest, device, kind);
                connectsAndCloses(guest, device);
            }
        }
    }

    private static void assertNothingIsLeft(ServedGuest guest, PvDevice device, NullKind kind)
            throws Exception {
        String error = device.errorPath();
        if (guest.client.exists(error)) {
            assertFalse(guest.client.read(error).startsWith("5 "), guest.client.read(error));
        }
        assertEquals(0, kind.connections.get());
        assertEquals(0, guest.servicePorts());
        assertEquals(0, guest.domain().grantTable().save().mappings().size());
    }

    private static void connectsAndCloses(ServedGuest guest, PvDevice device) throws Exception {
        for (String node : List.of("multi-queue-num-queues", "ring-page-order", "ring-ref0")) {
            guest.client.rm(device.frontendPath() + "/" + node);
        }
        guest.become(device, XenbusState.INITIALISING);
        guest.await(device, XenbusState.INIT_WAIT);
        guest.write(device, "ring-ref", guest.grant(9, RING).value());
        EvtchnPort port = guest.unboundPort();
        guest.write(device, "event-channel", port.value());
        guest.become(device, XenbusState.INITIALISED);
        guest.await(device, XenbusState.CONNECTED);
        guest.become(device, XenbusState.CLOSED);
        guest.await(device, XenbusState.CLOSED);
        guest.close(port);
    }
}
