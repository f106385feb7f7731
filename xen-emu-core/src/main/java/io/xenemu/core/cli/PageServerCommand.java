package io.xenemu.core.cli;

import io.xenemu.core.paging.PageServer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/// The process that brings memory to the guests of a service while they run.
@Command(
        name = "page-server",
        description = "Bring memory to guests of a service while they run. The service starts it.",
        sortOptions = false,
        usageHelpAutoWidth = true,
        mixinStandardHelpOptions = true)
final class PageServerCommand implements Callable<Integer> {
    @Parameters(paramLabel = "SOCKET", description = "Of the service.")
    private Path socket = Path.of("");

    @Override
    public Integer call() throws IOException {
        // The terminal's signals are for the service, whose guests may need their memory until it
        // has ended them.
        ProcessSignals.handle("INT", () -> {});
        ProcessSignals.handle("TERM", () -> {});
        ProcessSignals.handle("HUP", () -> {});
        try (PageServer server = PageServer.connect(socket)) {
            server.run();
        }
        return 0;
    }
}
