package io.xenemu.core.cli;

import io.xenemu.core.hypervisor.HostException;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// The verbs of xl's for the disks and network interfaces that one guest has from another, and that the service knows
/// by the same names.
final class DeviceVerbs {
    private DeviceVerbs() {}

    /// One that makes a device.
    abstract static class Attach extends ServiceVerb {
        @Parameters(index = "0", paramLabel = "DOMAIN", description = "Who uses it: name or id.")
        private String domain = "";

        @Parameters(
                index = "1..*",
                arity = "1..*",
                paramLabel = "SPEC",
                description =
                        "As in xl's configuration; several are joined. backend=DOMAIN, who serves it,"
                                + " is needed.")
        private List<String> words = new ArrayList<>();

        @Override
        public Integer call() throws HostException {
            List<String> all = new ArrayList<>(List.of(domain));
            all.addAll(words);
            return send(all);
        }
    }

    /// One that shows the devices of domains.
    abstract static class Listing extends ServiceVerb {
        @Parameters(arity = "1..*", paramLabel = "DOMAIN", description = "Names or ids.")
        private List<String> domains = new ArrayList<>();

        @Override
        public Integer call() throws HostException {
            return send(domains);
        }
    }

    /// One that takes a device from a domain.
    abstract static class Detach extends ServiceVerb {
        @Parameters(index = "0", paramLabel = "DOMAIN", description = "Its name or id.")
        private String domain = "";

        @Parameters(
                index = "1",
                paramLabel = "DEVICE",
                description =
                        "Its number, or for a disk its name, for a network interface its address.")
        private String device = "";

        @Override
        public Integer call() throws HostException {
            return send(List.of(domain, device));
        }

        /// Does not wait for the domain.
        Integer force() throws HostException {
            return send(List.of(domain, device, "force"));
        }
    }

    @Command(name = "block-attach")
    static final class BlockAttach extends Attach {}

    @Command(name = "block-list")
    static final class BlockList extends Listing {}

    @Command(name = "block-detach")
    static final class BlockDetach extends Detach {
        @Option(
                names = {"-f", "--force"},
                description = "Whatever the guest does with it.")
        private boolean force;

        @Override
        public Integer call() throws HostException {
            return force ? force() : super.call();
        }
    }

    @Command(name = "network-attach")
    static final class NetworkAttach extends Attach {}

    @Command(name = "network-list")
    static final class NetworkList extends Listing {}

    @Command(name = "network-detach")
    static final class NetworkDetach extends Detach {}
}
