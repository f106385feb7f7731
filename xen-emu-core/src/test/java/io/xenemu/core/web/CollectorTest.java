package io.xenemu.core.web;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;

import io.xenemu.kvm.testing.Eventually;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
final class CollectorTest {
    private final FakeService service = new FakeService().with(3, "web");

    private Collector collector(Duration period) {
        return new Collector(
                service,
                new HostView(Path.of("/proc")),
                new ActionLog(),
                InstantSource.system(),
                period);
    }

    /// However many ask.
    @Test
    void oneAnswerServesAllForAPeriod() {
        Collector collector = collector(Duration.ofHours(1));

        assertSame(collector.latest(), collector.latest());
        assertEquals(1, service.lists.get());
    }

    /// What was so before nobody looked is not shown.
    @Test
    void viewerAfterAPauseWaitsForANewAnswer() throws Exception {
        Collector collector = collector(Duration.ofMillis(1));
        Collector.Round first = collector.after(collector.join());
        assertNotNull(first.snapshot().values().find("domain/3"));
        collector.leave();
        Eventually.holds("nobody looks", () -> !collector.isRunning());
        service.domains.clear();

        Collector.Round next = collector.after(collector.join());

        assertNull(next.snapshot().values().find("domain/3"));
        collector.leave();
    }

    @Test
    void failureEndsNoPage() throws Exception {
        Collector collector = collector(Duration.ofMillis(1));
        service.failure = new OutOfMemoryError("of a test");
        long from = collector.join();
        Eventually.holds("it fails", () -> service.failures.get() > 0);
        service.failure = null;

        assertNotNull(collector.after(from).snapshot().values().find("domain/3"));
        collector.leave();
    }
}
