package io.xenemu.core.cli;

import com.google.common.net.HostAndPort;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/// The options of every service in the background.
final class DaemonOptions {
    @Option(
            names = {"-F", "--pid-file"},
            paramLabel = "FILE",
            description =
                    "File for the process id. It is locked: a second daemon cannot have the same file.")
    @Nullable Path pidFile;

    @Option(
            names = "--metrics",
            paramLabel = "HOST:PORT",
            converter = MetricsAddress.class,
            description = "Serve Prometheus metrics at http://HOST:PORT/metrics.")
    @Nullable HostAndPort metrics;
}
