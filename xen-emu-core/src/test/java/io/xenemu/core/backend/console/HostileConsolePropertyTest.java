package io.xenemu.core.backend.console;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.backend.ServedGuest;
import io.xenemu.core.toolstack.ConsoleSpec;
import io.xenemu.core.toolstack.XenbusState;
import io.xenemu.kvm.testing.Eventually;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;

/// A guest that writes anything into the page of a console, with events at any time.
class HostileConsolePropertyTest {
    private static final int LIMIT = 4096;
    private static final int SIZE = 8192;

    @Property(tries = 25)
    void onlyItsOwnConsoleIsHarmed(
            @ForAll @Size(min = 1, max = 100) List<@IntRange(min = 0, max = 1023) Integer> words,
            @ForAll @Size(min = 1, max = 20) List<Integer> values)
            throws Exception {
        Path folder = Files.createTempDirectory("hostile");
        Path log = folder.resolve("log");
        Path fine = folder.resolve("fine");
        SimpleMeterRegistry registry = new SimpleMeterRegistry();
        try (ServedGuest guest = new ServedGuest(new ConsoleKind(registry))) {
            ConsoleFront front = console(guest, log);
            ConsoleFront other = console(guest, fine);
            for (int i = 0; i < words.size(); i++) {
                int at = i % 3 == 0 ? words.get(i) * 4 : 0xc00 + words.get(i) % 5 * 4;
                front.set(at, values.get(i % values.size()));
                front.kick();
            }
            other.print("fine".getBytes(US_ASCII));
            Eventually.holds("output", () -> Files.readString(fine).equals("fine"));
            guest.settle();
            assertEquals(XenbusState.CONNECTED, guest.state(front.device), "no bug closes it");
            assertTrue(Files.size(log) <= SIZE);
            assertTrue(
                    registry.get("xen.console.kept").gauges().stream()
                            .allMatch(kept -> kept.value() <= LIMIT));
            front.disconnect();
            assertTrue(front.revoke());
        } finally {
            Files.deleteIfExists(log);
            Files.deleteIfExists(fine);
            Files.delete(folder);
        }
    }

    private static ConsoleFront console(ServedGuest guest, Path file) throws Exception {
        ConsoleFront front =
                new ConsoleFront(
                        guest,
                        guest.attach(
                                ConsoleSpec.parse(
                                        List.of(
                                                "connection=file,path=%s,max-size=%d,limit=%d"
                                                        .formatted(file, SIZE, LIMIT)))));
        front.connect();
        return front;
    }
}
