package io.xenemu.core.cli;

import io.xenemu.core.control.ControlClient;
import io.xenemu.core.hypervisor.HostException;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/// The option by which a command names the running service that it is for.
final class ServiceOption {
    @Option(
            names = {"-s", "--socket"},
            paramLabel = "PATH",
            description =
                    "The service's control socket. Default: the path in "
                            + ControlClient.SOCKET_VARIABLE
                            + ", else "
                            + ControlClient.DEFAULT_SOCKET
                            + ".")
    private @Nullable Path socket;

    /// The path of the service's socket.
    Path path() {
        return ControlClient.socket(socket);
    }

    /// Makes the service carry out a command, and prints the answer.
    ///
    /// @throws HostException when there is no service, or it refuses, with its reason
    void command(String... words) throws HostException {
        ControlClient.command(path(), List.of(words)).forEach(System.out::println);
    }

    /// Makes the service carry out a command that waits for guests, without a time limit, and prints the answer.
    ///
    /// @throws HostException when there is no service, or it refuses, with its reason
    void patientCommand(String... words) throws HostException {
        ControlClient.patientCommand(path(), List.of(words)).forEach(System.out::println);
    }
}
