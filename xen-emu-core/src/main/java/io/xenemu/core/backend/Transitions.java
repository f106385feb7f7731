package io.xenemu.core.backend;

import io.xenemu.core.toolstack.XenbusState;
import java.util.Optional;

/// Decides what a back end does next, from nothing but the conditions of both ends. Watch events merge, so a front end
/// may have passed states that the back end never saw: each condition is judged by itself
/// (`xen/include/public/io/xenbus.h`, and the answers of Linux's xen-blkback and xen-netback).
final class Transitions {
    private Transitions() {}

    /// The next step.
    ///
    /// @param front the front end's state; empty if it, or its directory, is gone
    static Transition next(
            Phase back, Optional<XenbusState> front, Online online, Handshake handshake) {
        if (back == Phase.GONE) {
            return Transition.NOTHING;
        }
        boolean isGone = front.isEmpty() || front.get() == XenbusState.UNKNOWN;
        boolean mayEnd = online == Online.NO && !back.isConnected();
        if (isGone || online == Online.ABSENT || mayEnd) {
            return Transition.REMOVE;
        }
        return switch (back) {
            case INITIALISING -> Transition.AWAIT;
            case INIT_WAIT -> waiting(front.get(), handshake);
            case CONNECTED -> connected(front.get());
            case RECONFIGURED -> reconfigured(front.get());
            case CLOSING -> closing(front.get());
            case UNCONNECTED -> unconnected(front.get());
            case CLOSED -> closed(front.get(), handshake);
            case GONE -> Transition.NOTHING;
        };
    }

    private static Transition waiting(XenbusState front, Handshake handshake) {
        if (handshake.isReady(front)) {
            return Transition.CONNECT;
        }
        return switch (front) {
            case INITIALISING, INITIALISED, CONNECTED -> Transition.NOTHING;
            case CLOSING -> Transition.CLOSE;
            case CLOSED -> Transition.FINISH;
            case UNKNOWN, INIT_WAIT, RECONFIGURING, RECONFIGURED, INVALID -> Transition.REFUSE;
        };
    }

    /// A front end that is Initialising has forgotten its rings: a crash kernel, or one whose way through Closed was
    /// not seen.
    private static Transition connected(XenbusState front) {
        return switch (front) {
            case INITIALISING -> Transition.RESTART;
            case INITIALISED, CONNECTED -> Transition.NOTHING;
            case CLOSING -> Transition.CLOSE;
            case CLOSED -> Transition.FINISH;
            case RECONFIGURING -> Transition.RECONFIGURE;
            case UNKNOWN, INIT_WAIT, RECONFIGURED, INVALID -> Transition.REFUSE;
        };
    }

    private static Transition reconfigured(XenbusState front) {
        return switch (front) {
            case CONNECTED -> Transition.RECONFIGURED;
            case RECONFIGURING -> Transition.NOTHING;
            default -> connected(front);
        };
    }

    private static Transition closing(XenbusState front) {
        return switch (front) {
            case INITIALISING -> Transition.RESTART;
            case CLOSED -> Transition.FINISH;
            default -> Transition.NOTHING;
        };
    }

    /// A front end that is still Connected after connecting has failed must close first, so that it does not make the
    /// back end try for ever.
    private static Transition unconnected(XenbusState front) {
        return switch (front) {
            case INITIALISING -> Transition.AWAIT;
            case CLOSED -> Transition.FINISH;
            default -> Transition.NOTHING;
        };
    }

    private static Transition closed(XenbusState front, Handshake handshake) {
        boolean isBack = front == XenbusState.INITIALISING || handshake.isReady(front);
        return isBack ? Transition.AWAIT : Transition.NOTHING;
    }
}
