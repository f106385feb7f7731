package io.xenemu.core.backend;

import static io.xenemu.core.backend.Transition.AWAIT;
import static io.xenemu.core.backend.Transition.CLOSE;
import static io.xenemu.core.backend.Transition.CONNECT;
import static io.xenemu.core.backend.Transition.FINISH;
import static io.xenemu.core.backend.Transition.NOTHING;
import static io.xenemu.core.backend.Transition.RECONFIGURE;
import static io.xenemu.core.backend.Transition.RECONFIGURED;
import static io.xenemu.core.backend.Transition.REFUSE;
import static io.xenemu.core.backend.Transition.REMOVE;
import static io.xenemu.core.backend.Transition.RESTART;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.core.toolstack.XenbusState;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/// The table of a back end's steps: each phase with each state of the front end, online or not.
final class TransitionsTest {
    /// The columns: the states 0 to 8, any other text, and no node.
    private static final List<Optional<XenbusState>> FRONTS =
            List.of(
                    Optional.of(XenbusState.UNKNOWN),
                    Optional.of(XenbusState.INITIALISING),
                    Optional.of(XenbusState.INIT_WAIT),
                    Optional.of(XenbusState.INITIALISED),
                    Optional.of(XenbusState.CONNECTED),
                    Optional.of(XenbusState.CLOSING),
                    Optional.of(XenbusState.CLOSED),
                    Optional.of(XenbusState.RECONFIGURING),
                    Optional.of(XenbusState.RECONFIGURED),
                    Optional.of(XenbusState.INVALID),
                    Optional.empty());

    // spotless:off
    /// The steps of an online device whose front end is ready when it is Initialised.
    private static final Map<Phase, List<Transition>> STEPS =
            Map.of(
                    //                   0       1        2        3        4        5        6
                    //   7        8        text     none
                    Phase.INITIALISING,
                            List.of(
                                    REMOVE, AWAIT, AWAIT, AWAIT, AWAIT, AWAIT, AWAIT, AWAIT, AWAIT,
                                    AWAIT, REMOVE),
                    Phase.INIT_WAIT,
                            List.of(
                                    REMOVE, NOTHING, REFUSE, CONNECT, CONNECT, CLOSE, FINISH,
                                    REFUSE, REFUSE, REFUSE, REMOVE),
                    Phase.CONNECTED,
                            List.of(
                                    REMOVE,
                                    RESTART,
                                    REFUSE,
                                    NOTHING,
                                    NOTHING,
                                    CLOSE,
                                    FINISH,
                                    RECONFIGURE,
                                    REFUSE,
                                    REFUSE,
                                    REMOVE),
                    Phase.RECONFIGURED,
                            List.of(
                                    REMOVE,
                                    RESTART,
                                    REFUSE,
                                    NOTHING,
                                    RECONFIGURED,
                                    CLOSE,
                                    FINISH,
                                    NOTHING,
                                    REFUSE,
                                    REFUSE,
                                    REMOVE),
                    Phase.CLOSING,
                            List.of(
                                    REMOVE, RESTART, NOTHING, NOTHING, NOTHING, NOTHING, FINISH,
                                    NOTHING, NOTHING, NOTHING, REMOVE),
                    Phase.UNCONNECTED,
                            List.of(
                                    REMOVE, AWAIT, NOTHING, NOTHING, NOTHING, NOTHING, FINISH,
                                    NOTHING, NOTHING, NOTHING, REMOVE),
                    Phase.CLOSED,
                            List.of(
                                    REMOVE, AWAIT, NOTHING, AWAIT, AWAIT, NOTHING, NOTHING, NOTHING,
                                    NOTHING, NOTHING, REMOVE),
                    Phase.GONE,
                            List.of(
                                    NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING,
                                    NOTHING, NOTHING, NOTHING, NOTHING));

    // spotless:on

    private static void assertRow(
            List<Transition> expected, Phase phase, Online online, Handshake handshake) {
        for (int column = 0; column < FRONTS.size(); column++) {
            Optional<XenbusState> front = FRONTS.get(column);
            assertEquals(
                    expected.get(column),
                    Transitions.next(phase, front, online, handshake),
                    phase + ", front end " + front + ", online " + online);
        }
    }

    @Test
    void onlineDeviceFollowsItsFrontEnd() {
        assertEquals(Phase.values().length, STEPS.size());
        STEPS.forEach((phase, row) -> assertRow(row, phase, Online.YES, Handshake.INITIALISED));
    }

    /// A connected device still waits for its guest, and goes when it holds nothing any more.
    @Test
    void deviceThatIsNotOnlineGoesWhenItIsNotConnected() {
        STEPS.forEach((phase, row) -> {
            boolean goes = phase != Phase.GONE && !phase.isConnected();
            assertRow(
                    goes ? FRONTS.stream().map(_ -> REMOVE).toList() : row,
                    phase,
                    Online.NO,
                    Handshake.INITIALISED);
        });
    }

    @Test
    void deviceWithoutItsDirectoryGoes() {
        STEPS.keySet()
                .forEach(phase -> {
                    Transition only = phase == Phase.GONE ? NOTHING : REMOVE;
                    assertRow(
                            FRONTS.stream().map(_ -> only).toList(),
                            phase,
                            Online.ABSENT,
                            Handshake.INITIALISED);
                });
    }

    /// netfront goes from Initialising to Connected: Initialised means nothing to its back end.
    @Test
    void frontEndOfANetworkInterfaceIsReadyWhenItIsConnected() {
        for (Phase phase : List.of(Phase.INIT_WAIT, Phase.CLOSED)) {
            for (XenbusState front : XenbusState.values()) {
                Transition other =
                        Transitions.next(
                                phase, Optional.of(front), Online.YES, Handshake.INITIALISED);
                assertEquals(
                        front == XenbusState.INITIALISED ? NOTHING : other,
                        Transitions.next(
                                phase, Optional.of(front), Online.YES, Handshake.CONNECTED));
            }
        }
    }
}
