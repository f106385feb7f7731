package io.xenemu.core.cli;

import io.xenemu.core.service.HostException;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/// The verbs of xl's that take a domain, and that the service knows by the same names.
final class DomainVerbs {
    private DomainVerbs() {}

    /// One that takes nothing else.
    @Command(sortOptions = false, usageHelpAutoWidth = true, mixinStandardHelpOptions = true)
    abstract static class Verb implements Callable<Integer> {
        @Spec private @Nullable CommandSpec spec;
        @Mixin private ServiceOption service = new ServiceOption();

        @Parameters(paramLabel = "DOMAIN", description = "Its name or id.")
        private String domain = "";

        @Override
        public Integer call() throws HostException {
            service.command(name(), domain);
            return 0;
        }

        /// The same with one more word.
        void call(String option) throws HostException {
            service.command(name(), domain, option);
        }

        private String name() {
            if (spec == null) {
                throw new IllegalStateException("not a parsed command");
            }
            return spec.name();
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
            if (!wait) {
                return super.call();
            }
            call("wait");
            return 0;
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
