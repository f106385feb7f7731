package io.xenemu.core.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.guest.DriverRequest.Kind;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class GuestRequestsTest {
    private final GuestRequests requests = new GuestRequests();

    private GuestRequests.Answer put(Kind kind) {
        return requests.put(DriverRequest.of(kind));
    }

    /// Takes the next request, which is of this kind and is carried out.
    private void carriesOut(Kind kind) {
        GuestRequests.Step step = requests.next();
        assertNotNull(step);
        assertEquals(kind, step.request().kind());
        assertNull(step.refusal());
    }

    private void refuses(Kind kind, Refusal refusal) {
        GuestRequests.Step step = requests.next();
        assertNotNull(step);
        assertEquals(kind, step.request().kind());
        assertEquals(refusal, step.refusal());
    }

    /// Brings a new guest into a state.
    private void bring(GuestState state) {
        if (state == GuestState.MADE) {
            return;
        }
        put(Kind.START);
        carriesOut(Kind.START);
        if (state == GuestState.STARTING) {
            return;
        }
        requests.running();
        switch (state) {
            case PAUSED -> take(Kind.PAUSE);
            case SUSPENDED -> requests.suspended();
            case SAVING -> take(Kind.SAVE);
            case MIGRATING -> take(Kind.MIGRATE);
            case PRESERVED -> requests.preserved();
            case REBOOTING -> requests.rebooting();
            case ENDED -> requests.end();
            case MADE, STARTING, RUNNING -> {}
        }
        assertEquals(state, requests.state());
    }

    private void take(Kind kind) {
        put(kind);
        carriesOut(kind);
    }

    /// One letter for each state: A accepted, Q queued, X refused.
    @ParameterizedTest
    @CsvSource({
        "START, AXXXXXXXXX",
        "PAUSE, QAAAAQXXXX",
        "UNPAUSE, QAAAAQXXXX",
        "SHUT_DOWN, XAAAAQXXXX",
        "REBOOT, XAAAAQXXXX",
        "SUSPEND, XQAXXXXXXX",
        "RESUME, XXXXAXXXXX",
        "SAVE, XQAAXXXXXX",
        "MIGRATE, XQAAXXXXXX",
        "DUMP_CORE, XQAAAQXAXX",
    })
    void answerDependsOnTheState(Kind kind, String answers) {
        GuestState[] states = GuestState.values();
        for (int i = 0; i < states.length; i++) {
            GuestState state = states[i];
            GuestRequestsTest guest = new GuestRequestsTest();
            guest.bring(state);
            GuestRequests.Answer expected =
                    switch (answers.charAt(i)) {
                        case 'A' -> GuestRequests.Answer.ACCEPTED;
                        case 'Q' -> GuestRequests.Answer.QUEUED;
                        default -> GuestRequests.Answer.REFUSED;
                    };
            assertEquals(expected, guest.put(kind), state.toString());
        }
    }

    @Test
    void guestThatIsPausedBeforeItsStartStartsPaused() {
        put(Kind.PAUSE);
        put(Kind.START);
        carriesOut(Kind.START);
        carriesOut(Kind.PAUSE);
        assertEquals(GuestState.STARTING, requests.state());

        requests.running();

        assertEquals(GuestState.PAUSED, requests.state());
    }

    @Test
    void pausesNest() {
        bring(GuestState.PAUSED);
        take(Kind.PAUSE);
        take(Kind.UNPAUSE);
        assertEquals(GuestState.PAUSED, requests.state());
        take(Kind.UNPAUSE);
        assertEquals(GuestState.RUNNING, requests.state());
        put(Kind.UNPAUSE);
        refuses(Kind.UNPAUSE, Refusal.NOT_PAUSED);
    }

    @Test
    void pauseThatFailsLeavesTheGuestAsItWas() {
        bring(GuestState.RUNNING);
        take(Kind.PAUSE);
        requests.pauseFailed();
        assertEquals(GuestState.RUNNING, requests.state());

        take(Kind.PAUSE);
        take(Kind.PAUSE);
        requests.pauseFailed();
        assertEquals(GuestState.PAUSED, requests.state());
    }

    @Test
    void pausesOfASuspendedGuestCountWhenItIsResumed() {
        bring(GuestState.PAUSED);
        requests.suspended();
        take(Kind.PAUSE);
        take(Kind.UNPAUSE);
        assertEquals(GuestState.SUSPENDED, requests.state());
        assertEquals(Refusal.SUSPENDED, requests.refusal(Kind.SUSPEND));
        take(Kind.RESUME);
        requests.running();

        assertEquals(GuestState.PAUSED, requests.state());
        assertEquals(Refusal.NOT_SUSPENDED, requests.refusal(Kind.RESUME));
        assertEquals(Refusal.PAUSED, requests.refusal(Kind.SUSPEND));
    }

    @Test
    void rebootEndsPauses() {
        bring(GuestState.PAUSED);
        requests.rebooting();
        requests.startAgain();
        requests.running();

        assertEquals(GuestState.RUNNING, requests.state());
    }

    @Test
    void preservedGuestOnlyEnds() {
        bring(GuestState.PAUSED);
        put(Kind.SAVE);
        requests.preserved();

        assertEquals(0, requests.pauses());
        refuses(Kind.SAVE, Refusal.STOPPED);
        assertEquals(Refusal.STOPPED, requests.refusal(Kind.UNPAUSE));
        assertThrows(IllegalStateException.class, requests::running);
        assertThrows(IllegalStateException.class, requests::startAgain);
        requests.end();
        assertEquals(GuestState.ENDED, requests.state());
    }

    @Test
    void requestThatWaitsIsNotCarriedOutOnTheNextBoot() {
        bring(GuestState.SAVING);
        put(Kind.SHUT_DOWN);
        requests.rebooting();
        requests.startAgain();

        refuses(Kind.SHUT_DOWN, Refusal.REBOOTING);
        assertNull(requests.next());
    }

    @Test
    void requestsWaitForTheEndOfASave() {
        bring(GuestState.SAVING);
        put(Kind.PAUSE);
        put(Kind.SHUT_DOWN);
        assertNull(requests.next());

        requests.running();

        carriesOut(Kind.PAUSE);
        carriesOut(Kind.SHUT_DOWN);
        assertEquals(GuestState.PAUSED, requests.state());
    }

    @Test
    void saveThatFailsLeavesAPausedGuestPaused() {
        bring(GuestState.PAUSED);
        take(Kind.SAVE);
        assertEquals(GuestState.SAVING, requests.state());

        requests.running();

        assertEquals(GuestState.PAUSED, requests.state());
    }

    @Test
    void secondQueuedSaveIsRefusedInItsTurn() {
        bring(GuestState.STARTING);
        put(Kind.SAVE);
        put(Kind.MIGRATE);
        requests.running();

        carriesOut(Kind.SAVE);
        refuses(Kind.MIGRATE, Refusal.SAVING);
    }

    @Test
    void destroyedGuestRefusesEveryRequest() {
        bring(GuestState.RUNNING);
        put(Kind.PAUSE);
        requests.destroy();

        assertEquals(GuestRequests.Answer.REFUSED, put(Kind.SHUT_DOWN));
        refuses(Kind.PAUSE, Refusal.DESTROYED);
        assertEquals(GuestState.RUNNING, requests.state());
    }

    @Test
    void guestThatIsDestroyedBeforeItsStartNeverStarts() {
        put(Kind.START);
        requests.destroy();

        refuses(Kind.START, Refusal.DESTROYED);
        assertEquals(GuestState.MADE, requests.state());
    }

    @Test
    void endAtStopRefusesNothing() {
        bring(GuestState.RUNNING);
        assertFalse(requests.endsAtStop());
        requests.endAtStop();

        assertTrue(requests.endsAtStop());
        take(Kind.SHUT_DOWN);
    }

    @Test
    void oneDumpAtATime() {
        bring(GuestState.SAVING);
        put(Kind.DUMP_CORE);
        assertEquals(Refusal.DUMPING, requests.refusal(Kind.DUMP_CORE));
        requests.running();
        carriesOut(Kind.DUMP_CORE);
        assertEquals(Refusal.DUMPING, requests.refusal(Kind.DUMP_CORE));
        requests.dumped();
        take(Kind.DUMP_CORE);
    }

    @Test
    void guestWhoseCoreIsDumpedMayBootAgain() {
        bring(GuestState.PRESERVED);
        requests.rebooting();
        requests.startAgain();
        assertEquals(GuestState.STARTING, requests.state());
    }

    @Test
    void requestsThatWaitAreLimited() {
        bring(GuestState.SAVING);
        for (int i = 0; i < GuestRequests.MAX; i++) {
            assertEquals(GuestRequests.Answer.QUEUED, put(Kind.PAUSE));
        }
        assertEquals(Refusal.TOO_MANY, requests.refusal(Kind.PAUSE));
        assertEquals(GuestRequests.Answer.REFUSED, put(Kind.PAUSE));
        requests.destroy();
        assertTrue(requests.isDestroyed());
    }

    @Test
    void guestMovesOnlyBetweenStatesAsDrawn() {
        assertThrows(IllegalStateException.class, requests::running);
        assertThrows(IllegalStateException.class, requests::rebooting);
        assertThrows(IllegalStateException.class, requests::startAgain);
        bring(GuestState.ENDED);
        assertThrows(IllegalStateException.class, requests::running);
        assertThrows(IllegalStateException.class, requests::startAgain);
    }
}
