package io.xenemu.core.cli;

import io.xenemu.core.hypervisor.HostException;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/// The verbs for engines.
final class EngineVerbs {
    private EngineVerbs() {}

    @Command(name = "engines")
    static final class Engines extends ServiceVerb {
        @Override
        public Integer call() throws HostException {
            return send(List.of());
        }
    }

    @Command(name = "engines-list")
    static final class EnginesList extends ServiceVerb {
        @Parameters(paramLabel = "DOMAIN", description = "Guest's name or domain id.")
        private String domain = "";

        @Override
        public Integer call() throws HostException {
            return send(List.of(domain));
        }
    }

    @Command(name = "engines-set")
    static final class EnginesSet extends ServiceVerb {
        @Parameters(index = "0", paramLabel = "DOMAIN", description = "Guest's name or domain id.")
        private String domain = "";

        @Parameters(
                index = "1",
                paramLabel = "MAP",
                description =
                        "Map, such as block:0,-,block:1,net:0, or default, or like:DOMAIN. hex: and digits are its"
                                + " binary form.")
        private String map = "";

        @Override
        public Integer call() throws HostException {
            return send(List.of(domain, map));
        }
    }
}
