package io.xenemu.core.cli;

import io.xenemu.core.control.ControlClient;
import io.xenemu.core.hypervisor.HostException;
import java.nio.file.Path;
import java.util.ArrayList;
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
        return over(socket, host, words, 1);
    }

    /// As [#over], with several connections.
    ///
    /// @param streams their number; one, if it goes by ssh
    List<String> over(Path socket, String host, List<String> words, int streams)
            throws HostException {
        requireStreams(host, streams);
        List<Carrier> carriers = new ArrayList<>();
        try {
            for (int i = 0; i < streams; i++) {
                carriers.add(tls.isAddress(host) ? tls.connect(host) : Carrier.ssh(ssh, host));
            }
            return ControlClient.linked(
                    socket,
                    words,
                    carriers.stream()
                            .map(one -> new ControlClient.Link(one.in(), one.out()))
                            .toList());
        } finally {
            carriers.forEach(Carrier::close);
        }
    }

    /// Checks that a host is reached by so many connections.
    ///
    /// @throws HostException if it is not
    void requireStreams(String host, int streams) throws HostException {
        if (streams > 1 && !tls.isAddress(host)) {
            throw new HostException(
                    "--streams needs HOST:PORT: a guest that goes by ssh has one connection");
        }
    }
}
