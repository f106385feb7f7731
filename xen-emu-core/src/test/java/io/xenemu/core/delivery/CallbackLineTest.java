package io.xenemu.core.delivery;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.kvm.testing.Eventually;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// The line's protocol with KVM. The test plays KVM's part.
@Timeout(60)
final class CallbackLineTest {
    private final AtomicBoolean pending = new AtomicBoolean();
    private final LinkedBlockingQueue<Boolean> asked = new LinkedBlockingQueue<>();
    private final CallbackLine line =
            new CallbackLine("line", this::isPending, new EventFdThreads((who, failure) -> {}));

    private boolean isPending() {
        boolean answer = pending.get();
        asked.add(answer);
        return answer;
    }

    @AfterEach
    void close() {
        line.close();
    }

    private void awaitRaised() {
        Eventually.holds("the line goes up", () -> line.trigger().drain() > 0);
    }

    @Test
    void goesUpOnceUntilItIsAcknowledged() {
        line.raise();
        line.raise();

        assertEquals(1, line.trigger().drain());
        line.raise();
        assertEquals(0, line.trigger().drain());
    }

    @Test
    void goesUpAgainWhileAnEventIsPending() {
        line.raise();
        awaitRaised();
        pending.set(true);
        line.acknowledgement().signal();
        awaitRaised();
        line.acknowledgement().signal();
        awaitRaised();
    }

    @Test
    void staysDownUntilTheNextEventIfNoneIsPending() throws InterruptedException {
        line.raise();
        awaitRaised();
        line.acknowledgement().signal();

        assertEquals(false, asked.take());
        assertEquals(0, line.trigger().drain());
        line.raise();
        assertEquals(1, line.trigger().drain());
    }
}
