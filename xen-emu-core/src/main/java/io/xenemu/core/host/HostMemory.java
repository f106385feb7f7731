package io.xenemu.core.host;

import com.google.common.primitives.Longs;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/// The memory that this process may still take. It is the kernel's for all processes (`MemAvailable` of
/// proc_meminfo(5)). If the rest of the control group's limit is less, it is that (`memory.max` of Linux
/// Documentation/admin-guide/cgroup-v2.rst).
///
/// @param root the folder of `/proc` and `/sys`
public record HostMemory(Path root) {
    private static final String TOTAL = "MemTotal:";
    private static final String AVAILABLE = "MemAvailable:";
    private static final String INACTIVE_FILES = "inactive_file ";
    private static final int KIB_SHIFT = 10;

    /// The memory of this host.
    public static HostMemory ofThisHost() {
        return new HostMemory(Path.of("/"));
    }

    /// The available bytes; `Long.MAX_VALUE` if the kernel does not tell.
    public long available() {
        return Math.min(ofTheKernel(AVAILABLE, Long.MAX_VALUE), ofTheGroups());
    }

    /// All bytes of the host; 0 if the kernel does not tell.
    public long total() {
        return ofTheKernel(TOTAL, 0);
    }

    private long ofTheKernel(String row, long otherwise) {
        String file = read(root.resolve("proc/meminfo"));
        return file == null
                ? otherwise
                : file.lines()
                        .filter(line -> line.startsWith(row))
                        .map(line -> line.replaceAll("[^0-9]", ""))
                        .mapToLong(number -> number(number) << KIB_SHIFT)
                        .findFirst()
                        .orElse(otherwise);
    }

    /// The least rest of a limit, of the process's group and of all groups around it. The kernel's cache of files
    /// counts as free, as in `MemAvailable`, since it is dropped when memory is needed.
    private long ofTheGroups() {
        long least = Long.MAX_VALUE;
        for (Path group : ControlGroups.folders(root)) {
            String max = read(group.resolve("memory.max"));
            String current = read(group.resolve("memory.current"));
            // The text is "max" if there is no limit.
            Long limit = max == null ? null : Longs.tryParse(max.strip());
            if (limit != null && current != null) {
                long used = Math.max(0, number(current.strip()) - inactiveFiles(group));
                least = Math.min(least, Math.max(0, limit - used));
            }
        }
        return least;
    }

    private static long inactiveFiles(Path group) {
        String file = read(group.resolve("memory.stat"));
        return file == null
                ? 0
                : file.lines()
                        .filter(line -> line.startsWith(INACTIVE_FILES))
                        .mapToLong(line -> number(line.substring(INACTIVE_FILES.length()).strip()))
                        .findFirst()
                        .orElse(0);
    }

    private static long number(String digits) {
        Long number = Longs.tryParse(digits);
        return number == null ? 0 : number;
    }

    private static @Nullable String read(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            return null;
        }
    }
}
