package io.xenemu.core.host;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HostMemoryTest {
    @TempDir Path root;

    private void write(String file, String text) throws IOException {
        Path path = root.resolve(file);
        Files.createDirectories(Objects.requireNonNull(path.getParent()));
        Files.writeString(path, text);
    }

    private long available() {
        return new HostMemory(root).available();
    }

    @Test
    void kernelTellsAvailableMemory() throws IOException {
        write("proc/meminfo", "MemTotal:  24105000 kB\nMemAvailable:   23745 kB\n");
        assertEquals(23745L << 10, available());
    }

    @Test
    void groupWithLessMemoryThanTheHostCounts() throws IOException {
        write("proc/meminfo", "MemAvailable:   23745 kB\n");
        write("proc/self/cgroup", "0::/guests/web\n");
        write("sys/fs/cgroup/guests/web/memory.max", "max\n");
        write("sys/fs/cgroup/guests/web/memory.current", "100\n");
        write("sys/fs/cgroup/guests/memory.max", "5000000\n");
        write("sys/fs/cgroup/guests/memory.current", "1000000\n");
        assertEquals(4_000_000, available());
    }

    @Test
    void cachedFilesOfAGroupDoNotCountAsUsed() throws IOException {
        write("proc/self/cgroup", "1:name=systemd:/other\n0::/guests\n");
        write("sys/fs/cgroup/guests/memory.max", "5000000\n");
        write("sys/fs/cgroup/guests/memory.current", "4900000\n");
        write(
                "sys/fs/cgroup/guests/memory.stat",
                "anon 900000\nfile 4000000\ninactive_file 3000000\nactive_file 1000000\n");
        assertEquals(3_100_000, available());
    }

    @Test
    void groupThatIsFullLeavesNothing() throws IOException {
        write("proc/self/cgroup", "0::/\n");
        write("sys/fs/cgroup/memory.max", "10\n");
        write("sys/fs/cgroup/memory.current", "20\n");
        assertEquals(0, available());
    }

    @Test
    void hostThatTellsNothingHasNoLimit() {
        assertEquals(Long.MAX_VALUE, available());
    }

    @Test
    void availableMemoryOfThisHostIsKnown() {
        assertTrue(HostMemory.ofThisHost().available() < Long.MAX_VALUE);
    }
}
