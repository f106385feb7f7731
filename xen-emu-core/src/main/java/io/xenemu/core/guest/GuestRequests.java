package io.xenemu.core.guest;

import java.util.ArrayDeque;
import java.util.Iterator;
import java.util.Queue;
import org.jspecify.annotations.Nullable;

/// The state of one guest, and the requests to it: which of them are carried out, wait, or are refused in which state.
/// Plain data without locks, threads or clock; [GuestInbox] guards it.
///
/// | request | Made | Starting | Running | Paused | Suspended | Saving | Migrating | Preserved | Rebooting | Ended |
/// |---|---|---|---|---|---|---|---|---|---|---|
/// | start | now | no | no | no | no | no | no | no | no | no |
/// | pause, unpause | queued | now | now | now | now | queued | no | no | no | no |
/// | shut down, reboot | no | now | now | now | now | queued | no | no | no | no |
/// | suspend | no | queued | now | no | no | no | no | no | no | no |
/// | resume | no | no | no | no | now | no | no | no | no | no |
/// | save, migrate, hand over | no | queued | now | now | no | no | no | no | no | no |
/// | dump core | no | queued | now | now | now | queued | no | now | no | no |
///
/// - An unpause is refused in its turn if the guest is not paused then.
/// - A destroy is never refused and never queued. After it, everything else is refused.
/// - A dump is refused while another one waits or lasts.
/// - The end at the next stop is never refused and never queued.
/// - Pauses nest, and end when the domain that was paused stops.
final class GuestRequests {
    /// The most requests that wait: more than an operator's connections, so only a defect reaches it.
    static final int MAX = 128;

    /// The answer to a request when it is put.
    enum Answer {
        /// The driver carries it out in its turn.
        ACCEPTED,
        /// It waits for another state.
        QUEUED,
        REFUSED
    }

    /// The next request that the driver takes.
    ///
    /// @param refusal null if it is to be carried out
    record Step(DriverRequest request, @Nullable Refusal refusal) {}

    private enum Turn {
        NOW,
        LATER
    }

    private GuestState state = GuestState.MADE;
    private final Queue<DriverRequest> waiting = new ArrayDeque<>();

    /// The requests that waited when the guest came into a state that refuses them.
    private final Queue<Step> refused = new ArrayDeque<>();

    private int pauses;
    private boolean destroyed;
    private boolean endsAtStop;

    /// Whether the driver has taken a dump that is not over.
    private boolean dumping;

    /// Requests to a guest that is preserved from its beginning.
    static GuestRequests ofPreserved() {
        GuestRequests requests = new GuestRequests();
        requests.state = GuestState.PRESERVED;
        return requests;
    }

    GuestState state() {
        return state;
    }

    /// The number of pauses of its domain without an unpause.
    int pauses() {
        return pauses;
    }

    /// Whether it has been destroyed: it ends now, whatever other requests it has.
    boolean isDestroyed() {
        return destroyed;
    }

    /// Whether it ends when its domain stops, or has stopped.
    boolean endsAtStop() {
        return endsAtStop;
    }

    /// The number of requests that wait.
    int waiting() {
        return waiting.size() + refused.size();
    }

    /// The reason for which a request would be refused now; null if [#put] takes it.
    @Nullable Refusal refusal(DriverRequest.Kind kind) {
        if (destroyed || turn(kind) == null) {
            return reason(kind);
        }
        if (kind == DriverRequest.Kind.DUMP_CORE && isDumping()) {
            return Refusal.DUMPING;
        }
        return waiting.size() < MAX ? null : Refusal.TOO_MANY;
    }

    private boolean isDumping() {
        return dumping
                || waiting.stream()
                        .anyMatch(request -> request.kind() == DriverRequest.Kind.DUMP_CORE);
    }

    /// A dump that was taken is over.
    void dumped() {
        dumping = false;
    }

    /// Takes a request. One that is refused changes nothing.
    Answer put(DriverRequest request) {
        if (refusal(request.kind()) != null) {
            return Answer.REFUSED;
        }
        waiting.add(request);
        return turn(request.kind()) == Turn.NOW ? Answer.ACCEPTED : Answer.QUEUED;
    }

    /// Destroys the guest.
    void destroy() {
        destroyed = true;
    }

    /// Makes the next stop of its domain the guest's end.
    void endAtStop() {
        endsAtStop = true;
    }

    /// Takes the next request that is to be carried out or refused now. Taking a start, pause, unpause, save or migrate
    /// moves the guest; the driver then does the same to the domain.
    ///
    /// @return null if there is none
    @Nullable Step next() {
        Step left = refused.poll();
        if (left != null) {
            return left;
        }
        for (Iterator<DriverRequest> all = waiting.iterator(); all.hasNext(); ) {
            DriverRequest request = all.next();
            Turn turn = turn(request.kind());
            if (destroyed || turn == null) {
                all.remove();
                return new Step(request, reason(request.kind()));
            }
            if (turn == Turn.NOW) {
                all.remove();
                return new Step(request, take(request.kind()));
            }
        }
        return null;
    }

    /// Its domain runs, or is paused if that was asked for. Also called after a resume, and after a save or migration
    /// that left the guest here.
    void running() {
        GuestState next = pauses == 0 ? GuestState.RUNNING : GuestState.PAUSED;
        if (next != state) {
            move(next);
        }
    }

    /// It was saved, and stays paused by one more pause.
    void savedAndPaused() {
        pauses++;
        running();
    }

    /// Its domain was made from a saved state.
    ///
    /// @param count of the pauses that it had
    void restored(int count) {
        pauses += count;
    }

    /// The guest has suspended itself.
    void suspended() {
        move(GuestState.SUSPENDED);
    }

    /// The domain has not been paused after all, although the pause was taken.
    void pauseFailed() {
        if (pauses == 0) {
            throw new IllegalStateException("no pause");
        }
        pauses--;
        showPauses();
    }

    /// Its domain has stopped, and stays.
    void preserved() {
        endDomain(GuestState.PRESERVED);
    }

    /// Its domain has stopped, and the guest boots again.
    void rebooting() {
        endDomain(GuestState.REBOOTING);
    }

    /// Its next boot begins.
    void startAgain() {
        if (state != GuestState.REBOOTING) {
            throw new IllegalStateException(state + " is no reboot");
        }
        move(GuestState.STARTING);
    }

    /// It does not run again. Does nothing if it has ended before.
    void end() {
        if (state != GuestState.ENDED) {
            endDomain(GuestState.ENDED);
        }
    }

    private void endDomain(GuestState next) {
        move(next);
        pauses = 0;
        // Refused now, because the next boot would accept some of them.
        for (DriverRequest request : waiting) {
            refused.add(new Step(request, reason(request.kind())));
        }
        waiting.clear();
    }

    private void move(GuestState next) {
        if (!state.mayBecome(next)) {
            throw new IllegalStateException("from " + state + " to " + next);
        }
        state = next;
    }

    /// The time at which a request is carried out; null if never.
    private @Nullable Turn turn(DriverRequest.Kind kind) {
        return switch (kind) {
            case START -> state == GuestState.MADE ? Turn.NOW : null;
            case PAUSE, UNPAUSE ->
                    switch (state) {
                        case STARTING, RUNNING, PAUSED, SUSPENDED -> Turn.NOW;
                        case MADE, SAVING -> Turn.LATER;
                        case MIGRATING, PRESERVED, REBOOTING, ENDED -> null;
                    };
            case SHUT_DOWN, REBOOT ->
                    switch (state) {
                        case STARTING, RUNNING, PAUSED, SUSPENDED -> Turn.NOW;
                        case SAVING -> Turn.LATER;
                        case MADE, MIGRATING, PRESERVED, REBOOTING, ENDED -> null;
                    };
            case SUSPEND ->
                    switch (state) {
                        case RUNNING -> Turn.NOW;
                        case STARTING -> Turn.LATER;
                        case MADE,
                                PAUSED,
                                SUSPENDED,
                                SAVING,
                                MIGRATING,
                                PRESERVED,
                                REBOOTING,
                                ENDED ->
                                null;
                    };
            case RESUME -> state == GuestState.SUSPENDED ? Turn.NOW : null;
            case DUMP_CORE ->
                    switch (state) {
                        case RUNNING, PAUSED, SUSPENDED, PRESERVED -> Turn.NOW;
                        case STARTING, SAVING -> Turn.LATER;
                        case MADE, MIGRATING, REBOOTING, ENDED -> null;
                    };
            case SAVE, MIGRATE, HAND_OVER ->
                    switch (state) {
                        case RUNNING, PAUSED -> Turn.NOW;
                        case STARTING -> Turn.LATER;
                        case MADE, SUSPENDED, SAVING, MIGRATING, PRESERVED, REBOOTING, ENDED ->
                                null;
                    };
        };
    }

    /// The reason for which a request is never carried out in this state.
    private Refusal reason(DriverRequest.Kind kind) {
        if (destroyed) {
            return Refusal.DESTROYED;
        }
        if (state == GuestState.ENDED) {
            return Refusal.GONE;
        }
        if (kind == DriverRequest.Kind.START) {
            return Refusal.STARTED;
        }
        if (kind == DriverRequest.Kind.RESUME) {
            return Refusal.NOT_SUSPENDED;
        }
        return switch (state) {
            case MADE -> Refusal.NOT_STARTED;
            case PRESERVED -> Refusal.STOPPED;
            case REBOOTING -> Refusal.REBOOTING;
            case SAVING -> Refusal.SAVING;
            case MIGRATING -> Refusal.MIGRATING;
            case PAUSED -> Refusal.PAUSED;
            case SUSPENDED -> Refusal.SUSPENDED;
            case STARTING, RUNNING, ENDED ->
                    throw new IllegalStateException(kind + " is not refused: " + state);
        };
    }

    private @Nullable Refusal take(DriverRequest.Kind kind) {
        switch (kind) {
            case START -> move(GuestState.STARTING);
            case PAUSE -> {
                pauses++;
                showPauses();
            }
            case UNPAUSE -> {
                if (pauses == 0) {
                    return Refusal.NOT_PAUSED;
                }
                pauses--;
                showPauses();
            }
            case SAVE -> move(GuestState.SAVING);
            case MIGRATE, HAND_OVER -> move(GuestState.MIGRATING);
            case DUMP_CORE -> dumping = true;
            // The guest or its driver moves it later.
            case SHUT_DOWN, REBOOT, SUSPEND, RESUME -> {}
        }
        return null;
    }

    /// A domain that is still starting, or suspended, gets its state with [#running].
    private void showPauses() {
        if (state != GuestState.STARTING && state != GuestState.SUSPENDED) {
            running();
        }
    }
}
