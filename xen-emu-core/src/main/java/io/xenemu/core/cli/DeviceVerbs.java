package io.xenemu.core.cli;

import io.xenemu.core.hypervisor.HostException;
import io.xenemu.core.toolstack.DiskSpec;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// xl's verbs for disks and network interfaces, and the same for shares. The service knows them by the same names.
final class DeviceVerbs {
    private DeviceVerbs() {}

    /// A verb that attaches a device.
    abstract static class Attach extends ServiceVerb {
        @Parameters(
                index = "0",
                paramLabel = "DOMAIN",
                description = "Guest that gets the device: name or domain id.")
        private String domain = "";

        @Parameters(
                index = "1..*",
                arity = "1..*",
                paramLabel = "SPEC",
                description =
                        "Device, in the words of xl's configuration; several words are joined. backend=DOMAIN names the guest"
                                + " that serves the device; without it, the service does.")
        private List<String> words = new ArrayList<>();

        @Override
        public Integer call() throws HostException {
            List<String> all = new ArrayList<>(List.of(domain));
            all.addAll(forService(words));
            return send(all);
        }

        /// The words for a service with another working directory.
        abstract List<String> forService(List<String> given);
    }

    /// A verb that lists the devices of domains.
    abstract static class Listing extends ServiceVerb {
        @Parameters(
                arity = "1..*",
                paramLabel = "DOMAIN",
                description = "Guests' names or domain ids.")
        private List<String> domains = new ArrayList<>();

        @Override
        public Integer call() throws HostException {
            return send(domains);
        }
    }

    /// A verb that detaches a device from a domain.
    abstract static class Detach extends ServiceVerb {
        @Parameters(index = "0", paramLabel = "DOMAIN", description = "Guest's name or domain id.")
        private String domain = "";

        @Parameters(
                index = "1",
                paramLabel = "DEVICE",
                description =
                        "Device: its number, a disk's name, a network interface's MAC address, or a share's tag.")
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
    static final class BlockAttach extends Attach {
        @Override
        List<String> forService(List<String> given) {
            return DiskSpec.absolute(given);
        }
    }

    @Command(name = "block-list")
    static final class BlockList extends Listing {}

    @Command(name = "block-detach")
    static final class BlockDetach extends Detach {
        @Option(
                names = {"-f", "--force"},
                description = "Detach even if the guest still uses the device.")
        private boolean force;

        @Override
        public Integer call() throws HostException {
            return force ? force() : super.call();
        }
    }

    @Command(name = "block-resize")
    static final class BlockResize extends ServiceVerb {
        @Parameters(index = "0", paramLabel = "DOMAIN", description = "Guest's name or domain id.")
        private String domain = "";

        @Parameters(index = "1", paramLabel = "DEVICE", description = "Disk's name or number.")
        private String device = "";

        @Override
        public Integer call() throws HostException {
            return send(List.of(domain, device));
        }
    }

    @Command(name = "network-attach")
    static final class NetworkAttach extends Attach {
        @Override
        List<String> forService(List<String> given) {
            return given;
        }
    }

    @Command(name = "network-list")
    static final class NetworkList extends Listing {}

    @Command(name = "network-detach")
    static final class NetworkDetach extends Detach {}

    @Command(name = "9pfs-attach")
    static final class P9Attach extends Attach {
        /// The path of a share is absolute.
        @Override
        List<String> forService(List<String> given) {
            return given;
        }
    }

    @Command(name = "9pfs-list")
    static final class P9List extends Listing {}

    @Command(name = "9pfs-detach")
    static final class P9Detach extends Detach {
        @Option(
                names = {"-f", "--force"},
                description = "Detach even if the guest has mounted the share.")
        private boolean force;

        @Override
        public Integer call() throws HostException {
            return force ? force() : super.call();
        }
    }
}
