package io.xenemu.core.cli;

import io.xenemu.core.hypervisor.HostException;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/// xl's verbs for the memory of guests.
final class MemoryVerbs {
    private MemoryVerbs() {}

    /// A verb that takes a domain and an amount.
    abstract static class Verb extends ServiceVerb {
        @Parameters(index = "0", paramLabel = "DOMAIN", description = "Its name or id.")
        private String domain = "";

        @Parameters(
                index = "1",
                paramLabel = "SIZE",
                description = "A number with B, K, M, G or T; MiB without.")
        private String size = "";

        @Override
        public Integer call() throws HostException {
            return send(List.of(domain, size));
        }
    }

    @Command(name = "mem-set")
    static final class MemSet extends Verb {}

    @Command(name = "mem-max")
    static final class MemMax extends Verb {}
}
