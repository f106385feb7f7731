package io.xenemu.core.backend;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.common.util.concurrent.Uninterruptibles;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.testing.Eventually;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
final class HostCallsTest {
    private static final Duration SHORT = Duration.ofMillis(20);

    private final CountDownLatch answers = new CountDownLatch(1);
    private final AtomicInteger late = new AtomicInteger();

    private int hang() {
        Uninterruptibles.awaitUninterruptibly(answers);
        return 1;
    }

    @Test
    void callThatHangsIsRefusedInTimeAndItsLateResultGivenBack() {
        HostCalls calls = new HostCalls(SHORT);
        Refused refused =
                assertThrows(Refused.class, () -> calls.make(this::hang, late::addAndGet));
        assertTrue(refused.reason().startsWith("the host does not answer within"));
        assertEquals(0, late.get());
        answers.countDown();
        Eventually.holds("the late result", () -> late.get() == 1);
    }

    @Test
    void callsThatHangAreBounded() throws Refused {
        HostCalls calls = new HostCalls(SHORT);
        for (int i = 0; i < HostCalls.MOST; i++) {
            assertThrows(Refused.class, () -> calls.make(this::hang, late::addAndGet));
        }
        Refused refused = assertThrows(Refused.class, () -> calls.make(() -> 2, late::addAndGet));
        assertEquals(Refused.Kind.BUSY, refused.kind());
        answers.countDown();
        Eventually.holds("all late results", () -> late.get() == HostCalls.MOST);
        Eventually.holds("a further call", () -> isMade(calls));
    }

    private static boolean isMade(HostCalls calls) {
        try {
            return calls.make(() -> true, _ -> {});
        } catch (Refused e) {
            return false;
        }
    }

    @Test
    void failureIsThatOfTheCall() {
        HostCalls calls = new HostCalls(HostCalls.LIMIT);
        Refused reason = new Refused("no such file");
        assertSame(
                reason,
                assertThrows(
                        Refused.class,
                        () ->
                                calls.make(
                                        () -> {
                                            throw reason;
                                        },
                                        _ -> {})));
        assertThrows(
                IllegalStateException.class,
                () ->
                        calls.make(
                                () -> {
                                    throw new IllegalStateException("a bug");
                                },
                                _ -> {}));
    }

    /// A virtual thread that hangs in a system call holds one of the few carriers.
    @Test
    void deviceIsOpenedOnAPlatformThread() throws Exception {
        AtomicBoolean isVirtual = new AtomicBoolean(true);
        NullKind kind = new NullKind(Handshake.INITIALISED);
        kind.opening = () -> isVirtual.set(Thread.currentThread().isVirtual());
        try (ServedGuest guest = new ServedGuest(kind)) {
            FutureTask<PvDevice> attach =
                    new FutureTask<>(() -> guest.attach(ServedGuest.disk("xvda")));
            Thread _ = Thread.ofVirtual().start(attach);
            assertEquals("dom1: vbd 51712 from dom0", attach.get().toString());
        }
        assertFalse(isVirtual.get());
    }
}
