package io.xenemu.core.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.domain.ShutdownLatch;
import io.xenemu.core.domain.ShutdownReason;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.testing.Eventually;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
final class GuestInboxTest {
    private static final long LONG = Duration.ofMinutes(10).toNanos();

    private static final int OPERATORS = 4;
    private static final int REQUESTS = 500;

    private final GuestInbox inbox = new GuestInbox("web");

    private void start() {
        inbox.put(DriverRequest.of(DriverRequest.Kind.START));
        assertNotNull(inbox.next());
    }

    private String refusal(DriverRequest request) {
        return assertThrows(Refused.class, request::await).reason();
    }

    @Test
    void requestEndsTheDriversWait() throws Exception {
        Thread other =
                Thread.startVirtualThread(
                        () -> inbox.put(DriverRequest.of(DriverRequest.Kind.START)));
        inbox.await(LONG);
        other.join();

        assertNotNull(inbox.next());
    }

    @Test
    void newsBeforeTheWaitIsNotMissed() throws InterruptedException {
        inbox.wake();
        inbox.await(LONG);
        inbox.destroy();
        inbox.await(LONG);
        inbox.endAtStop();
        inbox.await(LONG);
    }

    @Test
    void waitEndsAfterItsTime() throws InterruptedException {
        inbox.await(1);
        inbox.await(0);
    }

    @Test
    void refusedRequestIsAnsweredAtOnce() {
        DriverRequest early = DriverRequest.of(DriverRequest.Kind.SHUT_DOWN);
        assertEquals(GuestRequests.Answer.REFUSED, inbox.put(early));
        assertEquals("web has not been started", refusal(early));
    }

    @Test
    void requestWaitsForItsAnswer() throws Exception {
        start();
        DriverRequest pause = DriverRequest.of(DriverRequest.Kind.PAUSE);
        inbox.put(pause);
        FutureTask<Boolean> wait =
                new FutureTask<>(() -> {
                    pause.await();
                    return true;
                });
        Thread operator = Thread.ofPlatform().start(wait);
        Eventually.holds("it waits", () -> operator.getState() == Thread.State.WAITING);

        GuestRequests.Step step = inbox.next();
        assertNotNull(step);
        step.request().done();

        assertTrue(wait.get());
    }

    @Test
    void threadThatWaitsForAnAnswerCanBeInterrupted() throws Exception {
        start();
        DriverRequest pause = DriverRequest.of(DriverRequest.Kind.PAUSE);
        inbox.put(pause);
        FutureTask<InterruptedException> wait =
                new FutureTask<>(() -> assertThrows(InterruptedException.class, pause::await));
        Thread operator = Thread.ofPlatform().start(wait);
        Eventually.holds("it waits", () -> operator.getState() == Thread.State.WAITING);

        operator.interrupt();

        assertNotNull(wait.get());
        assertNotNull(inbox.next());
    }

    @Test
    void orderForAnotherDomainIsRefused() throws Exception {
        start();
        try (TestDomain test = new TestDomain(1)) {
            DriverRequest tooEarly = DriverRequest.of(DriverRequest.Kind.PAUSE, test.domain().id());
            inbox.put(tooEarly);
            assertEquals("no such domain: web", refusal(tooEarly));

            inbox.built(test.domain());
            DriverRequest other = DriverRequest.of(DriverRequest.Kind.PAUSE, new DomId(2));
            inbox.put(other);
            assertEquals("no such domain: web", refusal(other));
            assertEquals(
                    GuestRequests.Answer.ACCEPTED,
                    inbox.put(DriverRequest.of(DriverRequest.Kind.PAUSE, test.domain().id())));
        }
    }

    @Test
    void destroyStopsTheDomainWhateverTheDriverDoes() throws Exception {
        start();
        try (TestDomain test = new TestDomain(1)) {
            inbox.built(test.domain());

            inbox.destroy();

            ShutdownLatch.Outcome outcome = test.domain().shutdownLatch().get();
            assertNotNull(outcome);
            assertEquals(ShutdownReason.DESTROYED, outcome.reason());
        }
    }

    @Test
    void destroyDoesNotTouchARemovedDomain() throws Exception {
        start();
        try (TestDomain test = new TestDomain(1)) {
            inbox.built(test.domain());
            inbox.running();
            inbox.rebooting();

            inbox.destroy();

            assertNull(test.domain().shutdownLatch().get());
        }
    }

    /// Operators put requests while the driver carries them out, until the guest is destroyed in between.
    @Test
    void everyOperatorGetsAnAnswer() throws Exception {
        start();
        inbox.running();
        List<FutureTask<Integer>> operators = new ArrayList<>();
        for (int i = 0; i < OPERATORS; i++) {
            FutureTask<Integer> operator = new FutureTask<>(this::pausesAnswered);
            operators.add(operator);
            Thread.ofPlatform().start(operator);
        }
        int carriedOut = 0;
        while (!inbox.isDestroyed()) {
            GuestRequests.Step step = inbox.next();
            if (step == null) {
                inbox.await(LONG);
                continue;
            }
            step.request().done();
            carriedOut++;
            if (carriedOut == OPERATORS * REQUESTS / 2) {
                inbox.destroy();
            }
        }
        inbox.end();
        for (GuestRequests.Step step = inbox.next(); step != null; step = inbox.next()) {
            assertEquals(Refusal.DESTROYED, step.refusal());
            inbox.refuse(step.request(), Refusal.DESTROYED);
        }

        int done = 0;
        for (FutureTask<Integer> operator : operators) {
            done += operator.get();
        }
        assertEquals(carriedOut, done);
    }

    /// Puts requests one after another, and counts those that are carried out.
    private int pausesAnswered() throws Exception {
        int done = 0;
        for (int i = 0; i < REQUESTS; i++) {
            DriverRequest pause = DriverRequest.of(DriverRequest.Kind.PAUSE);
            inbox.put(pause);
            try {
                pause.await();
                done++;
            } catch (Refused e) {
                assertEquals("web has been destroyed", e.reason());
            }
        }
        return done;
    }
}
