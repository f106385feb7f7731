package io.xenemu.core.cli;

import io.xenemu.core.control.ControlClient;
import io.xenemu.core.control.DomainRow;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.hypervisor.HostException;
import java.time.Instant;
import java.time.LocalTime;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.IModelTransformer;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// xl's verbs that show a part of the service's list of domains.
final class NameVerbs {
    private NameVerbs() {}

    @Command(
            name = "domname",
            sortOptions = false,
            usageHelpAutoWidth = true,
            mixinStandardHelpOptions = true,
            description = "Print the name of the guest that a domain is.")
    static final class Domname implements Callable<Integer> {
        @Mixin private ServiceOption service = new ServiceOption();

        @Parameters(paramLabel = "ID", description = "Domain id.")
        private String id = "";

        @Override
        public Integer call() throws HostException {
            if (!DomainConfig.isId(id)) {
                throw new HostException("'" + id + "' is no domain id");
            }
            ControlClient.domains(service.path(), List.of(id))
                    .forEach(row -> System.out.println(row.name()));
            return 0;
        }
    }

    @Command(
            name = "vm-list",
            sortOptions = false,
            usageHelpAutoWidth = true,
            mixinStandardHelpOptions = true,
            description = "List the UUIDs, domain ids and names of guests.")
    static final class VmList implements Callable<Integer> {
        @Mixin private ServiceOption service = new ServiceOption();

        @Override
        public Integer call() throws HostException {
            List<DomainRow> rows = ControlClient.domains(service.path(), List.of());
            System.out.println("UUID                                  ID    name");
            for (DomainRow row : rows) {
                System.out.printf(
                        Locale.ROOT, "%s  %d    %-30s%n", row.uuid(), row.id(), row.name());
            }
            return 0;
        }
    }

    @Command(
            name = "uptime",
            sortOptions = false,
            usageHelpAutoWidth = true,
            mixinStandardHelpOptions = true,
            modelTransformer = Uptime.Options.class,
            description =
                    "Print for how long domains have been there: since they booted, or came here.")
    static final class Uptime implements Callable<Integer> {
        /// xl's meaning of `-s`, which is the socket's option in other commands.
        static final class Options implements IModelTransformer {
            private static final String SOCKET = "--socket";

            @Override
            public CommandSpec transform(CommandSpec command) {
                OptionSpec socket = command.findOption(SOCKET);
                OptionSpec shorter = command.findOption(SHORT);
                command.remove(socket);
                command.remove(shorter);
                command.addOption(socket.toBuilder().names(SOCKET).build());
                command.addOption(shorter.toBuilder().names("-s", SHORT).build());
                return command;
            }
        }

        private static final String SHORT = "--short";

        private static final DateTimeFormatter CLOCK =
                DateTimeFormatter.ofPattern("HH:mm:ss", Locale.ROOT);

        @Mixin private ServiceOption service = new ServiceOption();

        @Option(names = SHORT, description = "Hours and minutes, after the time of the day.")
        private boolean isShort;

        @Parameters(
                arity = "0..*",
                paramLabel = "DOMAIN",
                description = "Guest's name or domain id. Default: all guests.")
        private List<String> domains = new ArrayList<>();

        @Override
        public Integer call() throws HostException {
            List<DomainRow> rows = ControlClient.domains(service.path(), domains);
            long now = Instant.now().getEpochSecond();
            if (!isShort) {
                System.out.printf(Locale.ROOT, "%-33s %4s %s%n", "Name", "ID", "Uptime");
            }
            for (DomainRow row : rows) {
                String time = time(Math.max(0, now - row.began()), isShort);
                System.out.println(
                        isShort
                                ? " %s up %s, %s (%d)"
                                        .formatted(
                                                LocalTime.now(ZoneId.systemDefault()).format(CLOCK),
                                                time,
                                                row.name(),
                                                row.id())
                                : "%-33s %4d %s".formatted(row.name(), row.id(), time));
            }
            return 0;
        }
    }

    /// A time as xl writes it: `1:02:03`, `1 day,  1:02:03`, `2 days,  1:02:03`.
    ///
    /// @param isShort whether the seconds are left out
    static String time(long seconds, boolean isShort) {
        long days = seconds / 86_400;
        String day = days == 0 ? "" : days == 1 ? "1 day, " : days + " days, ";
        String clock =
                "%2d:%02d".formatted(seconds / 3600 % 24, seconds / 60 % 60)
                        + (isShort ? "" : ":%02d".formatted(seconds % 60));
        return day + clock;
    }
}
