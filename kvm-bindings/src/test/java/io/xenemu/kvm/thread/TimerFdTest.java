package io.xenemu.kvm.thread;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;

class TimerFdTest {
    private static final long SOON = 1_000_000;
    private static final long HOUR = 3_600_000_000_000L;
    private static final int LIMIT_MILLIS = 10_000;

    @Test
    void aTimerIsToldEachTimeThatItWasSetWithoutBeingRead() {
        try (TimerFd timer = new TimerFd();
                Epoll epoll = new Epoll(1)) {
            epoll.add(timer.fd(), 7);
            for (int i = 0; i < 3; i++) {
                assertEquals(0, epoll.await(0));
                timer.set(SOON);
                assertEquals(1, epoll.await(LIMIT_MILLIS));
                assertEquals(7, epoll.key(0));
            }
            timer.set(HOUR + 1);
            timer.set(SOON);
            assertEquals(1, epoll.await(LIMIT_MILLIS), "the last one counts");
            assertThrows(IllegalArgumentException.class, () -> timer.set(0));
        }
    }
}
