package io.xenemu.core.control;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.slf4j.LoggerFactory;

/// The last lines of a log.
final class LogRingTest {
    @Test
    void linesAreKeptUntilTheyAreCleared() {
        LogRing ring = new LogRing();
        ring.add("one");
        ring.add("two");
        assertEquals(List.of("one", "two"), ring.lines(false));
        assertEquals(List.of("one", "two"), ring.lines(true));
        assertEquals(List.of(), ring.lines(false));
        ring.add("three");
        assertEquals(List.of("three"), ring.lines(false));
    }

    @Test
    void theOldestLinesGiveWay() {
        LogRing ring = new LogRing();
        int lines = LogRing.MAX_CHARACTERS / 100;
        for (int i = 0; i < 2 * lines; i++) {
            ring.add("%0100d".formatted(i));
        }

        List<String> kept = ring.lines(false);
        assertEquals(lines, kept.size());
        assertEquals("%0100d".formatted(lines), kept.getFirst());
    }

    @Test
    void longLinesAreCutAndTerminalsAreSafe() {
        LogRing ring = new LogRing();
        ring.add("x".repeat(5000));
        ring.add("a\033[2J\nb");
        assertEquals(List.of("x".repeat(LogRing.MAX_LINE), "a?[2J?b"), ring.lines(false));
    }

    @Test
    void whatTheServiceLogsIsThere() {
        LogRing ring = LogRing.ofThisProcess();
        assertNotNull(ring);
        LoggerFactory.getLogger(LogRingTest.class).warn("seen by {}", "dmesg");
        String all = ring.lines(false).stream().collect(Collectors.joining("\n"));
        assertTrue(
                all.matches(
                        "(?s).*\\(xen-emu\\) \\[\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d\\] WARN: seen by dmesg.*"),
                all);
    }
}
