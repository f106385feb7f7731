package io.xenemu.core.service;

import io.prometheus.metrics.model.registry.MultiCollector;
import io.prometheus.metrics.model.snapshots.CounterSnapshot;
import io.prometheus.metrics.model.snapshots.GaugeSnapshot;
import io.prometheus.metrics.model.snapshots.InfoSnapshot;
import io.prometheus.metrics.model.snapshots.Labels;
import io.prometheus.metrics.model.snapshots.MetricSnapshot;
import io.prometheus.metrics.model.snapshots.MetricSnapshots;
import io.xenemu.core.host.HostLimits;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.stream.Stream;

/// The process, by the names of Prometheus's client libraries: its CPU time, memory and descriptors. And the program
/// that it runs.
final class ProcessCollector implements MultiCollector {
    private static final Path DESCRIPTORS = Path.of("/proc/self/fd");

    /// Sizes in pages: all, then what is in memory (proc_pid_statm(5)).
    private static final Path MEMORY = Path.of("/proc/self/statm");

    private static final long PAGE_BYTES = 4096;
    private static final double MILLIS = 1e3;

    private final Labels build;

    /// @param version of the program
    /// @param commit of its sources, or `unknown`
    ProcessCollector(String version, String commit) {
        build =
                Labels.of(
                        "version", version, "commit", commit, "java", Runtime.version().toString());
    }

    @Override
    public MetricSnapshots collect() {
        ProcessHandle.Info process = ProcessHandle.current().info();
        try {
            String[] pages = Files.readString(MEMORY).split(" ", -1);
            return MetricSnapshots.of(
                    InfoSnapshot.builder()
                            .name("xen_emu_build")
                            .help("Always 1: the program.")
                            .dataPoint(
                                    InfoSnapshot.InfoDataPointSnapshot.builder()
                                            .labels(build)
                                            .build())
                            .build(),
                    CounterSnapshot.builder()
                            .name("process_cpu_seconds")
                            .help("CPU time of the service, with its vCPUs.")
                            .dataPoint(
                                    CounterSnapshot.CounterDataPointSnapshot.builder()
                                            .value(seconds(process))
                                            .build())
                            .build(),
                    gauge(
                            "process_start_time_seconds",
                            "When the service began, since 1970.",
                            process.startInstant().map(Instant::getEpochSecond).orElse(0L)),
                    gauge(
                            "process_virtual_memory_bytes",
                            "Address space of the service, with the memory of its guests.",
                            Long.parseLong(pages[0]) * PAGE_BYTES),
                    gauge(
                            "process_resident_memory_bytes",
                            "What of it is in memory.",
                            Long.parseLong(pages[1]) * PAGE_BYTES),
                    gauge("process_open_fds", "Open file descriptors.", open()),
                    gauge(
                            "process_max_fds",
                            "The most file descriptors that may be open.",
                            HostLimits.maxDescriptors()));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static double seconds(ProcessHandle.Info process) {
        return process.totalCpuDuration().orElse(Duration.ZERO).toMillis() / MILLIS;
    }

    private static long open() throws IOException {
        try (Stream<Path> all = Files.list(DESCRIPTORS)) {
            return all.count();
        }
    }

    private static MetricSnapshot gauge(String name, String help, long value) {
        return GaugeSnapshot.builder()
                .name(name)
                .help(help)
                .dataPoint(
                        GaugeSnapshot.GaugeDataPointSnapshot.builder()
                                .value((double) value)
                                .build())
                .build();
    }
}
