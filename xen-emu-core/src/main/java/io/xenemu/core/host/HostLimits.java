package io.xenemu.core.host;

import static java.nio.charset.StandardCharsets.US_ASCII;

import io.xenemu.kvm.abi.Errno;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// The host's limits of this process's resources, read from `/proc` and the process's control group.
public final class HostLimits {
    private static final Path MAX_MAP_COUNT = Path.of("/proc/sys/vm/max_map_count");
    private static final Path THREADS_MAX = Path.of("/proc/sys/kernel/threads-max");
    private static final Path PID_MAX = Path.of("/proc/sys/kernel/pid_max");
    private static final Path LOAD = Path.of("/proc/loadavg");
    private static final Path LIMITS = Path.of("/proc/self/limits");
    private static final Path ROOT = Path.of("/");

    /// Linux's default, for a host that does not show the current value.
    private static final long DEFAULT_MAX_MAP_COUNT = 65_530;

    private static final Pattern OPEN_FILES = Pattern.compile("Max open files +(\\d+|unlimited)");
    private static final Pattern TASKS = Pattern.compile("\\d+/(\\d+)");

    /// The most bytes of a file that is read here; none is longer.
    private static final int MAX_BYTES = 1 << 16;

    private static final long UNLIMITED = Long.MAX_VALUE / 2;

    /// Mappings that guests cannot have: those of the JVM, its heap and libraries, and threads outside of guests.
    private static final long MAPPINGS_RESERVED = 8192;

    /// Descriptors that guests cannot have: those of connections to XenStore and of operators, and of files that a
    /// guest boots from.
    private static final long DESCRIPTORS_RESERVED = 1024;

    /// Threads that guests cannot have: the JVM's and the service's.
    private static final long THREADS_RESERVED = 128;

    private HostLimits() {}

    /// Memory mappings that guests may have.
    public static HostBudget mappings() {
        long limit = number(MAX_MAP_COUNT, DEFAULT_MAX_MAP_COUNT);
        return new HostBudget(
                "mappings",
                "mmap",
                Errno.ENOMEM,
                "sysctl vm.max_map_count=" + limit,
                Math.max(0, limit - MAPPINGS_RESERVED));
    }

    /// File descriptors that guests may have. The JVM has made the soft limit the hard one.
    public static HostBudget descriptors() {
        long limit = maxDescriptors();
        // A small limit is shared equally.
        long reserved = Math.min(DESCRIPTORS_RESERVED, limit / 2);
        return new HostBudget(
                "descriptors", "open", Errno.EMFILE, "ulimit -n " + limit, limit - reserved);
    }

    /// File descriptors that this process may have.
    public static long maxDescriptors() {
        Matcher line = OPEN_FILES.matcher(text(LIMITS));
        return line.find() ? parse(line.group(1), UNLIMITED) : UNLIMITED;
    }

    /// Threads that guests may have: those left by the host or the control group when the service starts.
    public static HostBudget threads() {
        Matcher load = TASKS.matcher(text(LOAD));
        long tasks = load.find() ? Long.parseLong(load.group(1)) : 0;
        long host = Math.min(number(THREADS_MAX, UNLIMITED), number(PID_MAX, UNLIMITED)) - tasks;
        long group = groupThreads();
        long limit = Math.min(host, group);
        return new HostBudget(
                "threads",
                "clone",
                Errno.EAGAIN,
                group < host
                        ? "pids.max of the control group: " + group
                        : "sysctl kernel.threads-max and kernel.pid_max leave " + host,
                Math.max(0, limit - THREADS_RESERVED));
    }

    private static long groupThreads() {
        return ControlGroups.folders(ROOT).stream()
                .mapToLong(group -> number(group.resolve("pids.max"), UNLIMITED))
                .min()
                .orElse(UNLIMITED);
    }

    private static long number(Path file, long otherwise) {
        return parse(text(file).strip(), otherwise);
    }

    private static long parse(String number, long otherwise) {
        return number.matches("\\d{1,18}") ? Long.parseLong(number) : otherwise;
    }

    /// Reads a file with a single read(2). After a partial read a sysctl file returns end-of-file, and
    /// Files.readString starts with a one-byte read.
    ///
    /// @return an empty text if there is no such file
    private static String text(Path file) {
        try (InputStream in = Files.newInputStream(file)) {
            return new String(in.readNBytes(MAX_BYTES), US_ASCII);
        } catch (IOException e) {
            return "";
        }
    }
}
