package io.xenemu.core.service;

import com.google.common.primitives.Longs;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/// What memory a process of this host may still take: what the kernel has for all (`MemAvailable` of proc_meminfo(5)), or what its control
/// group leaves (`memory.max` of Linux Documentation/admin-guide/cgroup-v2.rst) if that is less.
///
/// @param root where `/proc` and `/sys` are
record HostMemory(Path root) {
    private static final String AVAILABLE = "MemAvailable:";
    private static final String OWN_GROUP = "0::/";
    private static final int KIB_SHIFT = 10;

    /// This host's.
    static HostMemory ofThisHost() {
        return new HostMemory(Path.of("/"));
    }

    /// In bytes; `Long.MAX_VALUE` where the kernel does not tell.
    long available() {
        return Math.min(ofTheKernel(), ofTheGroups());
    }

    private long ofTheKernel() {
        String file = read(root.resolve("proc/meminfo"));
        return file == null
                ? Long.MAX_VALUE
                : file.lines()
                        .filter(line -> line.startsWith(AVAILABLE))
                        .map(line -> line.replaceAll("[^0-9]", ""))
                        .mapToLong(number -> number(number) << KIB_SHIFT)
                        .findFirst()
                        .orElse(Long.MAX_VALUE);
    }

    /// The least that a group leaves, of this process's and of all that it is in.
    private long ofTheGroups() {
        String file = read(root.resolve("proc/self/cgroup"));
        if (file == null) {
            return Long.MAX_VALUE;
        }
        String own =
                file.lines()
                        .filter(line -> line.startsWith(OWN_GROUP))
                        .map(line -> line.substring(OWN_GROUP.length()))
                        .findFirst()
                        .orElse("");
        Path top = root.resolve("sys/fs/cgroup");
        long least = Long.MAX_VALUE;
        for (Path group = top.resolve(own).normalize();
                group != null && group.startsWith(top);
                group = group.getParent()) {
            String max = read(group.resolve("memory.max"));
            String current = read(group.resolve("memory.current"));
            // "max" where there is no limit.
            Long limit = max == null ? null : Longs.tryParse(max.strip());
            if (limit != null && current != null) {
                least = Math.min(least, Math.max(0, limit - number(current.strip())));
            }
        }
        return least;
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
