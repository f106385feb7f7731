package io.xenemu.core.domain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;

final class ThreadActivityTest {
    @Test
    void nameOfAThreadMayLookLikeFields() {
        String line =
                "4711 (dom1 (x) R 1 2) S 1 2 3 0 -1 4194368 100 200 300 400 150 75 11 12 20 0 33 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 63 0 0\n";

        assertEquals(
                new ThreadActivity(false, Duration.ofMillis(2250), 63), ThreadActivity.parse(line));
        assertEquals(
                new ThreadActivity(true, Duration.ofMillis(2250), 63),
                ThreadActivity.parse(line.replace(") S", ") R")));
    }

    @Test
    void threadFindsItself() {
        ThreadActivity.Source source = ThreadActivity.ofThisThread();
        assertNotNull(source);
        assertEquals(true, assertNotNullActivity(source).active());
    }

    private static ThreadActivity assertNotNullActivity(ThreadActivity.Source source) {
        ThreadActivity activity = source.read();
        assertNotNull(activity);
        return activity;
    }

    @Test
    void endedThreadHasNoActivity() {
        assertNull(new ThreadActivity.Source(Path.of("/proc/self/task/1/none/stat")).read());
    }
}
