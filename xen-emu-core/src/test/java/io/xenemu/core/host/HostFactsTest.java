package io.xenemu.core.host;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Facts about a host, from the kernel's files.
final class HostFactsTest {
    @TempDir private Path root = Path.of("");

    private void write(String file, String text) throws IOException {
        Path path = root.resolve(file);
        Files.createDirectories(Objects.requireNonNull(path.getParent()));
        Files.writeString(path, text);
    }

    @Test
    void factsAreThoseOfTheKernelsFiles() throws IOException {
        write("proc/sys/kernel/hostname", "alpha\n");
        write("proc/sys/kernel/osrelease", "6.12.1\n");
        write("proc/sys/kernel/version", "#1 SMP\n");
        write("proc/meminfo", "MemTotal:  24105000 kB\nMemAvailable:   23745 kB\n");
        write(
                "proc/cpuinfo",
                """
                processor\t: 0
                cpu MHz\t\t: 2445.406
                siblings\t: 8
                cpu cores\t: 4

                processor\t: 5
                cpu MHz\t\t: 1500.000
                siblings\t: 8
                cpu cores\t: 4
                """);
        write("sys/devices/system/node/node0/cpulist", "0\n");
        write("sys/devices/system/node/node1/cpulist", "5\n");

        assertEquals(
                new HostFacts("alpha", "6.12.1", "#1 SMP", 2, 5, 2, 4, 2, 2445.406, 24105000),
                HostFacts.of(root));
    }

    @Test
    void whatTheKernelDoesNotTellIsZero() throws IOException {
        write("proc/cpuinfo", "processor: many\n\nnothing\n");

        assertEquals(new HostFacts("", "", "", 1, 0, 1, 1, 1, 0, 0), HostFacts.of(root));
    }

    @Test
    void thisHostHasCpusAndMemory() {
        HostFacts facts = HostFacts.ofThisHost();

        assertTrue(facts.cpus() > 0 && facts.memoryKib() > 0, facts::toString);
    }
}
