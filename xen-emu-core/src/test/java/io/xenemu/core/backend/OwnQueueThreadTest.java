package io.xenemu.core.backend;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.memory.DomainResources;
import io.xenemu.core.toolstack.PvDevice;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
final class OwnQueueThreadTest {
    private static final int THREADS = 200;

    /// Descriptors that others of the JVM may open or close meanwhile.
    private static final int OTHERS = 50;

    /// More than a domain is promised.
    private static final int SPARE = 1 << 10;

    private static long openDescriptors() throws IOException {
        try (Stream<Path> all = Files.list(Path.of("/proc/self/fd"))) {
            return all.count();
        }
    }

    /// A guest must not be able to make the service use more than its share.
    @Test
    void queueIsChargedAsManyDescriptorsAsItsThreadHas() throws Exception {
        NullKind kind = new NullKind(Handshake.INITIALISED);
        try (ServedGuest guest = new ServedGuest(kind)) {
            PvDevice device = guest.attach(ServedGuest.disk("xvda"));
            DomainResources resources = guest.domain().resources();
            // Shares that are promised hide what is taken from them first.
            assertTrue(resources.descriptors().take(SPARE));
            long held = resources.descriptors().held();
            Runnable back = OwnQueueThread.take(resources);
            long charged = resources.descriptors().held() - held;
            if (back != null) {
                back.run();
            }
            assertEquals(held, resources.descriptors().held());
            resources.descriptors().give(SPARE);

            long before = openDescriptors();
            List<QueueThread> threads = new ArrayList<>();
            for (int i = 0; i < THREADS; i++) {
                threads.add(new OwnQueueThread(device, i, () -> true, _ -> {}));
            }
            long used = openDescriptors() - before;
            for (QueueThread thread : threads) {
                assertTrue(thread.end(Duration.ofSeconds(30)));
            }
            assertTrue(Math.abs(charged * THREADS - used) <= OTHERS, () -> used + " are open");
            assertTrue(Math.abs(openDescriptors() - before) <= OTHERS, "all are closed");
        }
    }
}
