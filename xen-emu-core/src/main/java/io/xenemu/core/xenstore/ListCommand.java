package io.xenemu.core.xenstore;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// `xen-emu xenstore list`, as `xenstore-list`.
@Command(
        name = "list",
        description = "Print the names of the nodes' children.",
        sortOptions = false,
        usageHelpAutoWidth = true,
        mixinStandardHelpOptions = true,
        exitCodeOnInvalidInput = XenstoreCommand.FAILED)
final class ListCommand extends StoreTool {
    @Option(
            names = {"-p", "--prefix"},
            description = "Print whole paths.")
    private boolean prefix;

    @Parameters(arity = "1..*", paramLabel = "PATH", description = "Nodes whose children to print.")
    private List<String> paths = new ArrayList<>();

    @Override
    void run(StoreConnection store) throws IOException, RequestFailed, ToolFailed {
        perform(
                store,
                true,
                (connection, output) -> {
                    for (String path : paths) {
                        String front = prefix ? (path.equals("/") ? "" : path) + "/" : "";
                        for (String name : names(connection, path)) {
                            output.print(front + name + "\n");
                        }
                    }
                });
    }

    private static List<String> names(StoreConnection store, String path)
            throws IOException, ToolFailed {
        try {
            return store.list(path);
        } catch (RequestFailed e) {
            throw new ToolFailed("could not list path " + path + ": " + e.getMessage());
        }
    }
}
