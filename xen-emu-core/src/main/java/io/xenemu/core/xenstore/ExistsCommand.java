package io.xenemu.core.xenstore;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/// `xen-emu xenstore exists`, as `xenstore-exists`.
@Command(
        name = "exists",
        description =
                "Check whether nodes exist: the exit code is 0 if all of them do, otherwise 1.",
        sortOptions = false,
        usageHelpAutoWidth = true,
        mixinStandardHelpOptions = true,
        exitCodeOnInvalidInput = XenstoreCommand.FAILED)
final class ExistsCommand extends StoreTool {
    @Parameters(arity = "1..*", paramLabel = "PATH", description = "Nodes to check.")
    private List<String> paths = new ArrayList<>();

    @Override
    void run(StoreConnection store) throws IOException, RequestFailed, ToolFailed {
        perform(
                store,
                true,
                (connection, _) -> {
                    for (String path : paths) {
                        try {
                            connection.read(path);
                        } catch (RequestFailed e) {
                            throw new ToolFailed("");
                        }
                    }
                });
    }
}
