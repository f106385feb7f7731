package io.xenemu.core.cli;

import com.google.common.util.concurrent.Uninterruptibles;
import io.xenemu.core.control.ControlClient;
import io.xenemu.core.control.TopTable;
import io.xenemu.core.device.StandardOutput;
import io.xenemu.core.hypervisor.HostException;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// xl's verbs about the host and what all domains take of it.
final class HostVerbs {
    private HostVerbs() {}

    @Command(name = "info")
    static final class HostInfo extends ServiceVerb {
        @Parameters(
                arity = "0..1",
                paramLabel = "ITEM",
                description = "The item whose value is printed, such as free_memory.")
        private @Nullable String item;

        @Override
        public Integer call() throws HostException {
            return send(item == null ? List.of() : List.of(item));
        }
    }

    @Command(name = "dmesg")
    static final class Dmesg extends ServiceVerb {
        @Option(
                names = {"-c", "--clear"},
                description = "Do not keep the lines that are printed.")
        private boolean clear;

        @Override
        public Integer call() throws HostException {
            return send(clear ? List.of("clear") : List.of());
        }
    }

    @Command(name = "top")
    static final class Top extends ServiceVerb {
        /// Clears a terminal, and goes to its upper left corner.
        private static final String CLEAR = "\033[H\033[2J";

        @Option(
                names = {"-b", "--batch"},
                description = "Print tables below each other, for programs.")
        private boolean batch;

        @Option(
                names = {"-d", "--delay"},
                paramLabel = "SECONDS",
                defaultValue = "3",
                description = "The time between two tables. Default: ${DEFAULT-VALUE}.")
        private int delay;

        @Option(
                names = {"-i", "--iterations"},
                paramLabel = "N",
                description = "End after N tables.")
        private @Nullable Integer iterations;

        @Option(
                names = {"-f", "--full-name"},
                description = "Do not cut names.")
        private boolean full;

        private int shown;
        private @Nullable TopTable before;

        @Override
        public Integer call() throws HostException {
            if (delay < 1 || (iterations != null && iterations < 1)) {
                throw wrong("--delay and --iterations are 1 or more");
            }
            ControlClient.top(socket(), this::show);
            return 0;
        }

        private boolean show(TopTable table) {
            if (!batch) {
                System.out.print(CLEAR);
            }
            table.lines(before == null ? table : before, full).forEach(System.out::println);
            System.out.flush();
            before = table;
            shown++;
            boolean more =
                    (iterations == null || shown < iterations) && !StandardOutput.readerHasGone();
            if (more) {
                Uninterruptibles.sleepUninterruptibly(Duration.ofSeconds(delay));
            }
            return more;
        }
    }
}
