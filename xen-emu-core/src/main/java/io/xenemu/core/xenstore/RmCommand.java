package io.xenemu.core.xenstore;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// `xen-emu xenstore rm`, as `xenstore-rm`.
@Command(
        name = "rm",
        description = "Remove nodes and everything below, in one transaction.",
        sortOptions = false,
        usageHelpAutoWidth = true,
        mixinStandardHelpOptions = true,
        exitCodeOnInvalidInput = XenstoreCommand.FAILED)
final class RmCommand extends StoreTool {
    @Option(
            names = {"-t", "--tidy"},
            description = "Also remove the nodes above that then have neither value nor children.")
    private boolean tidy;

    @Parameters(arity = "1..*", paramLabel = "PATH", description = "Nodes to remove.")
    private List<String> paths = new ArrayList<>();

    @Override
    void run(StoreConnection store) throws IOException, RequestFailed, ToolFailed {
        perform(
                store,
                true,
                (connection, _) -> {
                    for (String path : paths) {
                        remove(connection, path);
                    }
                });
    }

    private void remove(StoreConnection store, String path) throws IOException, ToolFailed {
        String at = path;
        do {
            try {
                store.remove(at);
            } catch (RequestFailed e) {
                throw new ToolFailed("could not remove path " + at + ": " + e.getMessage());
            }
            at = at.substring(0, Math.max(0, at.lastIndexOf('/')));
        } while (tidy && !at.isEmpty() && isBare(store, at));
    }

    private static boolean isBare(StoreConnection store, String path) throws IOException {
        try {
            return store.read(path).length == 0 && store.list(path).isEmpty();
        } catch (RequestFailed e) {
            return false;
        }
    }
}
