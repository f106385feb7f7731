package io.xenemu.core.host;

import com.google.common.base.Splitter;
import com.google.common.primitives.Doubles;
import com.google.common.primitives.Ints;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/// What a host is, from proc(5) and sysfs(5). A value that the kernel does not tell is 0 or empty.
///
/// @param name of the host
/// @param release of its kernel
/// @param version of its kernel
/// @param cpus that are online
/// @param lastCpu the highest number of a CPU
/// @param nodes of its memory (NUMA)
/// @param coresPerSocket of its first processor
/// @param threadsPerCore of its first processor
/// @param mhz of its first processor
/// @param memoryKib all of its memory
public record HostFacts(
        String name,
        String release,
        String version,
        int cpus,
        int lastCpu,
        int nodes,
        int coresPerSocket,
        int threadsPerCore,
        double mhz,
        long memoryKib) {
    private static final int KIB_SHIFT = 10;
    private static final Splitter COLON = Splitter.on(':').trimResults().limit(2);

    /// The facts of this host.
    public static HostFacts ofThisHost() {
        return of(Path.of("/"));
    }

    /// The facts of a host.
    ///
    /// @param root the folder of `/proc` and `/sys`
    static HostFacts of(Path root) {
        int cpus = 0;
        int last = 0;
        int cores = 0;
        int siblings = 0;
        double mhz = 0;
        for (String line : read(root.resolve("proc/cpuinfo")).lines().toList()) {
            List<String> parts = COLON.splitToList(line);
            if (parts.size() < 2) {
                continue;
            }
            String value = parts.get(1);
            switch (parts.getFirst()) {
                case "processor" -> {
                    cpus++;
                    last = Math.max(last, number(value));
                }
                case "cpu cores" -> cores = cores == 0 ? number(value) : cores;
                case "siblings" -> siblings = siblings == 0 ? number(value) : siblings;
                case "cpu MHz" -> mhz = mhz == 0 ? real(value) : mhz;
                default -> {}
            }
        }
        return new HostFacts(
                read(root.resolve("proc/sys/kernel/hostname")).strip(),
                read(root.resolve("proc/sys/kernel/osrelease")).strip(),
                read(root.resolve("proc/sys/kernel/version")).strip(),
                cpus,
                last,
                Math.max(1, nodes(root.resolve("sys/devices/system/node"))),
                Math.max(1, cores),
                Math.max(1, siblings / Math.max(1, cores)),
                mhz,
                new HostMemory(root).total() >> KIB_SHIFT);
    }

    private static int nodes(Path folder) {
        Set<Path> nodes = new HashSet<>();
        try (DirectoryStream<Path> all = Files.newDirectoryStream(folder, "node[0-9]*")) {
            all.forEach(nodes::add);
        } catch (IOException e) {
            return 0;
        }
        return nodes.size();
    }

    private static int number(String text) {
        Integer number = Ints.tryParse(text);
        return number == null ? 0 : number;
    }

    private static double real(String text) {
        Double number = Doubles.tryParse(text);
        return number == null ? 0 : number;
    }

    private static String read(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            return "";
        }
    }
}
