package io.xenemu.core.cli;

import io.xenemu.core.hypervisor.HostException;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// xl's verbs that take a domain. The service knows them by the same names.
final class DomainVerbs {
    private DomainVerbs() {}

    /// A verb that takes nothing else.
    abstract static class Verb extends ServiceVerb {
        @Parameters(paramLabel = "DOMAIN", description = "Guest's name or domain id.")
        private String domain = "";

        @Override
        public Integer call() throws HostException {
            return send(List.of(domain));
        }
    }

    /// A verb that asks one guest or all to do something, and may wait until they have done it.
    abstract static class Request extends ServiceVerb {
        @ArgGroup(multiplicity = "1")
        private Target target = new Target();

        @Option(
                names = {"-w", "--wait"},
                description = "Wait until the domain has ended; with --all, until all have.")
        private boolean wait;

        @Option(
                names = {"-F", "--fallback"},
                description = "Use ACPI for guests without PV drivers.")
        private boolean fallback;

        private static final class Target {
            @Parameters(paramLabel = "DOMAIN", description = "Guest's name or domain id.")
            private @Nullable String domain;

            @Option(
                    names = {"-a", "--all"},
                    description = "All guests of the service.")
            private boolean all;
        }

        @Override
        public Integer call() throws HostException {
            List<String> words = new ArrayList<>();
            words.add(target.all ? verb() + "-all" : verb());
            if (target.domain != null) {
                words.add(target.domain);
            }
            if (fallback) {
                words.add("fallback");
            }
            if (wait) {
                words.add("wait");
                return sendAndWait(words);
            }
            return sendWords(words);
        }
    }

    @Command(name = "pause")
    static final class Pause extends Verb {}

    @Command(name = "unpause")
    static final class Unpause extends Verb {}

    @Command(name = "suspend")
    static final class Suspend extends ServiceVerb {
        @Parameters(paramLabel = "DOMAIN", description = "Guest's name or domain id.")
        private String domain = "";

        @Override
        public Integer call() throws HostException {
            return sendAndWait(List.of(verb(), domain));
        }
    }

    @Command(name = "resume")
    static final class Resume extends Verb {}

    @Command(name = "destroy")
    static final class Destroy extends Verb {}

    @Command(name = "domid")
    static final class Domid extends Verb {}

    @Command(name = "shutdown")
    static final class Shutdown extends Request {}

    @Command(name = "reboot")
    static final class Reboot extends Request {}
}
