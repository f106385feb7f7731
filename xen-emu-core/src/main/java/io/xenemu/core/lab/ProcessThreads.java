package io.xenemu.core.lab;

import com.google.common.base.Splitter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/// The threads of a process at one moment, as `/proc` has them (proc(5): `task/*/stat` and `schedstat`).
record ProcessThreads(List<One> threads) {
    private static final double NANOS_PER_SECOND = 1e9;

    /// One thread.
    ///
    /// @param state the kernel's letter: R runs or could, S and D wait, T is stopped
    /// @param cpuNanos time on a CPU
    /// @param waitNanos time that it was ready and had no CPU
    record One(long id, String name, char state, long cpuNanos, long waitNanos) {}

    /// Reads a process's threads; none when it has ended.
    static ProcessThreads of(long pid) throws IOException {
        Path tasks = Path.of("/proc", Long.toString(pid), "task");
        List<Path> folders;
        try (Stream<Path> list = Files.list(tasks)) {
            folders = list.sorted().toList();
        } catch (IOException e) {
            if (!Files.exists(tasks)) {
                return new ProcessThreads(List.of());
            }
            throw e;
        }
        List<One> threads = new ArrayList<>();
        for (Path folder : folders) {
            try {
                threads.add(one(folder));
            } catch (IOException e) {
                if (Files.exists(folder)) {
                    throw e;
                }
            }
        }
        return new ProcessThreads(List.copyOf(threads));
    }

    /// Time on a CPU plus time of waiting for one. It does not grow while a process is idle.
    long wantedNanos() {
        return threads.stream().mapToLong(one -> one.cpuNanos() + one.waitNanos()).sum();
    }

    /// A line for each thread, with its time since an earlier look.
    String since(ProcessThreads earlier) {
        StringBuilder text = new StringBuilder();
        for (One now : threads) {
            long before =
                    earlier.threads.stream()
                            .filter(one -> one.id() == now.id())
                            .mapToLong(One::cpuNanos)
                            .findFirst()
                            .orElse(0);
            text.append(
                    "\n  thread %s: state %s, %.2f s of CPU time, %.2f s of it now"
                            .formatted(
                                    now.name(),
                                    now.state(),
                                    now.cpuNanos() / NANOS_PER_SECOND,
                                    (now.cpuNanos() - before) / NANOS_PER_SECOND));
        }
        return text.toString();
    }

    private static One one(Path folder) throws IOException {
        String stat = Files.readString(folder.resolve("stat"));
        // The name is in brackets and may contain brackets.
        int nameEnd = stat.lastIndexOf(')');
        List<String> times =
                Splitter.on(' ').splitToList(Files.readString(folder.resolve("schedstat")).strip());
        return new One(
                Long.parseLong(folder.getFileName().toString()),
                stat.substring(stat.indexOf('(') + 1, nameEnd),
                stat.charAt(nameEnd + 2),
                Long.parseLong(times.get(0)),
                Long.parseLong(times.get(1)));
    }
}
