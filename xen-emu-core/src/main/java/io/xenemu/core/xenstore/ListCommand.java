package io.xenemu.core.xenstore;

import java.io.IOException;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/// `xen-emu xenstore list`, as `xenstore-list`.
@Command(name = "list", description = "Print the names of the nodes' children.")
final class ListCommand extends PathsTool {
    @Option(
            names = {"-p", "--prefix"},
            description = "Print whole paths.")
    private boolean prefix;

    @Override
    void run(StoreConnection store, String path, ToolOutput output) throws IOException, ToolFailed {
        String front = prefix ? (path.equals("/") ? "" : path) + "/" : "";
        for (String name : names(store, path)) {
            output.print(front + name + "\n");
        }
    }

    @Override
    boolean needsTransaction(int nodes) {
        return true;
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
