package io.xenemu.core.cli;

import io.xenemu.core.service.ControlClient;
import io.xenemu.core.service.HostException;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// `xen-emu debug-keys`, as xl's.
@Command(
        name = "debug-keys",
        description = {
            "Send debug keys to a running service.",
            "e: log the guests' event channels; q: log the guests and raise VIRQ_DEBUG at all of their vCPUs."
        },
        sortOptions = false,
        usageHelpAutoWidth = true,
        mixinStandardHelpOptions = true)
final class DebugKeysCommand implements Callable<Integer> {
    @Option(
            names = {"-s", "--socket"},
            paramLabel = "PATH",
            description =
                    "The service's control socket. Default: what "
                            + ControlClient.SOCKET_VARIABLE
                            + " says.")
    private @Nullable Path socket;

    @Parameters(paramLabel = "KEYS", description = "One letter each.")
    private String keys = "";

    @Override
    public Integer call() throws HostException {
        ControlClient.command(socket, "debug-keys " + keys);
        return 0;
    }
}
