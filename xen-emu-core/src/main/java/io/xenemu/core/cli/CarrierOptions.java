package io.xenemu.core.cli;

import io.xenemu.core.control.ControlClient;
import io.xenemu.core.hypervisor.HostException;
import java.nio.file.Path;
import java.util.List;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// The options of a command that reaches another host.
final class CarrierOptions {
    @Option(
            names = "--ssh",
            paramLabel = "SSHCOMMAND",
            defaultValue = "ssh",
            description =
                    "The command in place of ssh, with its options, for the shell (-s of xl); empty to run HOST itself. "
                            + "Default: ${DEFAULT-VALUE}.")
    private String ssh = "";

    @Mixin private TlsOptions tls = new TlsOptions();

    /// Carries out a command of the service that uses a connection to the other host.
    ///
    /// @param socket of the service
    /// @param words of the command
    /// @return lines of text for the operator
    /// @throws HostException if it fails, with the reason
    List<String> over(Path socket, String host, List<String> words) throws HostException {
        try (Carrier carrier = tls.isAddress(host) ? tls.connect(host) : Carrier.ssh(ssh, host)) {
            return ControlClient.linked(socket, words, carrier.in(), carrier.out());
        }
    }
}
