package io.xenemu.core.cli;

import io.xenemu.core.control.ControlClient;
import io.xenemu.core.hypervisor.HostException;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// Verbs that move guests between hosts. The commands here have the connection, and the services use it: so keys and
/// passwords are those of the user, not of the service.
final class MigrateVerbs {
    private MigrateVerbs() {}

    @Command(name = "migrate", customSynopsis = "xen-emu migrate [OPTIONS] DOMAIN... HOST")
    static final class Migrate extends ServiceVerb {
        @Parameters(
                index = "0",
                paramLabel = "DOMAIN",
                description = "Its name or id. Several guests move together.")
        private String domain = "";

        @Parameters(
                index = "1..*",
                arity = "1..*",
                paramLabel = "HOST",
                description =
                        "For ssh; or HOST:PORT of xen-emu migrate-receive --listen, an IPv6 address in brackets.")
        private List<String> furtherAndHost = List.of();

        @Mixin private MigrateOptions options = new MigrateOptions();

        @Option(
                names = "--dry-run",
                description =
                        "Only say what is against it, on this host and on the other one; nothing is sent.")
        private boolean dryRun;

        @Override
        public Integer call() throws HostException {
            List<String> words = new ArrayList<>(options.words());
            if (dryRun) {
                words.add(MigrateOptions.DRY_RUN);
            }
            List<String> domains = new ArrayList<>(List.of(domain));
            domains.addAll(furtherAndHost.subList(0, furtherAndHost.size() - 1));
            options.migrate(socket(), domains, furtherAndHost.getLast(), words)
                    .forEach(System.out::println);
            return 0;
        }
    }

    @Command(name = "migrate-receive")
    static final class Receive extends ServiceVerb {
        @Option(
                names = "--listen",
                paramLabel = "[HOST:]PORT",
                description =
                        "Wait for guests at this address, until the command is ended, in place of standard input.")
        private @Nullable String listen;

        @Mixin private TlsOptions tls = new TlsOptions();

        @Override
        public Integer call() throws HostException, InterruptedException {
            List<String> words = List.of(verb());
            if (listen != null) {
                tls.listen(listen, carrier -> receive(words, carrier));
                return 0;
            }
            List<String> _ =
                    ControlClient.linked(
                            socket(),
                            words,
                            new FileInputStream(FileDescriptor.in),
                            new FileOutputStream(FileDescriptor.out));
            return 0;
        }

        private void receive(List<String> words, Carrier carrier) {
            try (carrier) {
                ControlClient.linked(socket(), words, carrier.in(), carrier.out())
                        .forEach(System.out::println);
            } catch (HostException e) {
                System.err.println("xen-emu: " + e.getMessage());
            }
        }
    }

    @Command(name = "migrate-status")
    static final class Status extends ServiceVerb {
        @Override
        public Integer call() throws HostException {
            return send(List.of());
        }
    }

    @Command(name = "migrate-groups")
    static final class Groups extends ServiceVerb {
        @Override
        public Integer call() throws HostException {
            return send(List.of());
        }
    }

    @Command(name = "migrate-recover")
    static final class Recover extends ServiceVerb {
        @Parameters(index = "0", paramLabel = "DOMAIN", description = "Its name.")
        private String domain = "";

        @Parameters(index = "1", paramLabel = "HOST", description = "As for migrate.")
        private String host = "";

        @Mixin private CarrierOptions carrier = new CarrierOptions();

        @Override
        public Integer call() throws HostException {
            carrier.over(socket(), host, List.of(verb(), domain, host))
                    .forEach(System.out::println);
            return 0;
        }
    }

    @Command(name = "migrate-cancel")
    static final class Cancel extends ServiceVerb {
        @Parameters(index = "0", paramLabel = "DOMAIN", description = "Its name.")
        private String domain = "";

        @Override
        public Integer call() throws HostException {
            return send(List.of(domain));
        }
    }

    @Command(name = "migrate-resolve")
    static final class Resolve extends ServiceVerb {
        @Parameters(index = "0", paramLabel = "DOMAIN", description = "Its name.")
        private String domain = "";

        @Parameters(index = "1", paramLabel = "ACTION", description = "run or destroy.")
        private String action = "";

        @Override
        public Integer call() throws HostException {
            return send(List.of(domain, action));
        }
    }
}
