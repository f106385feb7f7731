package io.xenemu.core.backend;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.toolstack.XenbusState;
import java.util.List;
import java.util.Optional;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.Size;

/// Whatever a guest writes as its state, and whenever: its back end comes to rest, and holds a connection only while it
/// shows one.
final class TransitionsPropertyTest {
    /// More than any way from one phase to rest has.
    private static final int MAX_STEPS = 4;

    /// A back end without a driver, store or guest: the phase after a step.
    ///
    /// @param connects whether the front end's nodes are right
    private static Phase after(Phase phase, Transition step, boolean connects) {
        return switch (step) {
            case NOTHING -> phase;
            case AWAIT, RESTART -> Phase.INIT_WAIT;
            case CONNECT -> connects ? Phase.CONNECTED : Phase.UNCONNECTED;
            case RECONFIGURE -> connects ? Phase.RECONFIGURED : Phase.CLOSING;
            case RECONFIGURED -> Phase.CONNECTED;
            case CLOSE, REFUSE -> phase.isConnected() ? Phase.CLOSING : Phase.UNCONNECTED;
            case FINISH -> Phase.CLOSED;
            case REMOVE -> Phase.GONE;
        };
    }

    private static Phase rest(
            Phase phase, Optional<XenbusState> front, Online online, Handshake way, boolean good) {
        Phase current = phase;
        for (int steps = 0; steps <= MAX_STEPS; steps++) {
            Transition next = Transitions.next(current, front, online, way);
            if (next == Transition.NOTHING) {
                return current;
            }
            current = after(current, next, good);
        }
        throw new AssertionError("does not rest: " + phase + " " + front + " " + online);
    }

    @Property
    void everyWayComesToRest(
            @ForAll Handshake way,
            @ForAll @Size(max = 20) List<XenbusState> fronts,
            @ForAll @Size(20) List<Boolean> good) {
        Phase phase = Phase.INITIALISING;
        for (int i = 0; i < fronts.size(); i++) {
            phase = rest(phase, Optional.of(fronts.get(i)), Online.YES, way, good.get(i));
            boolean ended = fronts.get(i) == XenbusState.UNKNOWN;
            assertTrue(!ended || phase == Phase.GONE);
            if (fronts.get(i) == XenbusState.CLOSED) {
                assertTrue(!phase.isConnected(), "a guest may free its pages");
            }
        }
        assertEquals(Phase.GONE, rest(phase, Optional.empty(), Online.YES, way, true));
        assertEquals(
                Phase.GONE,
                rest(phase, Optional.of(XenbusState.CLOSED), Online.NO, way, true),
                "a guest that closes lets the toolstack remove the device");
    }

    @Property
    void guestThatFollowsTheProtocolConnects(
            @ForAll Handshake way, @ForAll @Size(max = 20) List<XenbusState> fronts) {
        Phase phase = Phase.INITIALISING;
        for (XenbusState front : fronts) {
            phase = rest(phase, Optional.of(front), Online.YES, way, false);
        }
        if (phase == Phase.GONE) {
            return;
        }
        for (XenbusState front :
                List.of(
                        XenbusState.CLOSING,
                        XenbusState.CLOSED,
                        XenbusState.INITIALISING,
                        XenbusState.CONNECTED)) {
            phase = rest(phase, Optional.of(front), Online.YES, way, true);
        }
        assertEquals(Phase.CONNECTED, phase);
    }
}
