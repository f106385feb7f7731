package io.xenemu.core.cli;

import io.xenemu.core.service.HostException;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// The verbs of xl's that take a domain, and that the service knows by the same names.
final class DomainVerbs {
    private DomainVerbs() {}

    /// One that takes nothing else.
    abstract static class Verb extends ServiceVerb {
        @Parameters(paramLabel = "DOMAIN", description = "Its name or id.")
        private String domain = "";

        @Override
        public Integer call() throws HostException {
            return send(List.of(domain));
        }

        /// The same with one more word.
        Integer call(String option) throws HostException {
            return send(List.of(domain, option));
        }
    }

    /// One that asks the guest, and may wait until it has done so.
    abstract static class Request extends Verb {
        @Option(
                names = {"-w", "--wait"},
                description = "Wait until the domain has ended.")
        private boolean wait;

        @Override
        public Integer call() throws HostException {
            return wait ? call("wait") : super.call();
        }
    }

    @Command(name = "pause", description = "Keep a guest from running; counted, as under xl.")
    static final class Pause extends Verb {}

    @Command(name = "unpause", description = "Take back one pause of a guest.")
    static final class Unpause extends Verb {}

    @Command(
            name = "destroy",
            description = "End a guest at once. Its name is free when this returns.")
    static final class Destroy extends Verb {}

    @Command(name = "domid", description = "Print the id of the domain that a guest is now.")
    static final class Domid extends Verb {}

    @Command(name = "shutdown", description = "Ask a guest to power off, by XenStore.")
    static final class Shutdown extends Request {}

    @Command(name = "reboot", description = "Ask a guest to reboot, by XenStore.")
    static final class Reboot extends Request {}
}
