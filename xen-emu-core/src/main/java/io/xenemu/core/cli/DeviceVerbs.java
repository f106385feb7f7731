package io.xenemu.core.cli;

import io.xenemu.core.hypervisor.HostException;
import io.xenemu.core.toolstack.DeviceKind;
import io.xenemu.core.toolstack.DeviceSpec;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// The verbs for devices, which the service knows by the same names. [Subcommand] has those of each kind.
final class DeviceVerbs {
    private DeviceVerbs() {}

    /// A verb that attaches a device whose words name no file of this process's working directory.
    @Command
    static class Attach extends ServiceVerb {
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
        List<String> forService(List<String> given) {
            return given;
        }
    }

    /// A verb that lists the devices of domains.
    @Command
    static final class Listing extends ServiceVerb {
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

    /// A verb for one device of a domain.
    @Command
    static class OfDevice extends ServiceVerb {
        @Parameters(index = "0", paramLabel = "DOMAIN", description = "Guest's name or domain id.")
        private String domain = "";

        @Parameters(
                index = "1",
                paramLabel = "DEVICE",
                description =
                        "Device: its number, a disk's name, a network interface's MAC address, a share's tag, or a channel's name.")
        private String device = "";

        @Override
        public Integer call() throws HostException {
            return send(words());
        }

        List<String> words() {
            return List.of(domain, device);
        }
    }

    /// A verb that detaches a device of a domain, if need be by force.
    @Command
    static final class Detach extends OfDevice {
        @Option(
                names = {"-f", "--force"},
                description = "Detach even if the guest still uses the device.")
        private boolean force;

        @Override
        List<String> words() {
            List<String> all = new ArrayList<>(super.words());
            if (force) {
                all.add("force");
            }
            return all;
        }
    }

    /// A verb that attaches a disk.
    @Command
    static final class BlockAttach extends Attach {
        @Override
        List<String> forService(List<String> given) {
            return DeviceSpec.absolute(DeviceKind.VBD, given);
        }
    }
}
