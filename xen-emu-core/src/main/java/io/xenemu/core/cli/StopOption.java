package io.xenemu.core.cli;

import java.time.Duration;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/// The option with the time for guests to power off when their service ends.
final class StopOption {
    @Spec(Spec.Target.MIXEE)
    private @Nullable CommandSpec command;

    @Option(
            names = "--stop-timeout",
            paramLabel = "SECONDS",
            defaultValue = "60",
            description =
                    "How long guests may take to power off at SIGTERM before they are destroyed; 0 destroys them at once. systemd's"
                            + " TimeoutStopSec has to be longer. Default: ${DEFAULT-VALUE}.")
    private long seconds;

    /// The option's value.
    ///
    /// @throws ParameterException if it is negative
    Duration limit() {
        if (command == null) {
            throw new IllegalStateException("not a parsed command");
        }
        if (seconds < 0) {
            throw new ParameterException(
                    command.commandLine(), "--stop-timeout: " + seconds + " is less than 0");
        }
        return Duration.ofSeconds(seconds);
    }
}
