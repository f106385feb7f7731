package io.xenemu.core.xenstore;

import java.io.IOException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/// `xen-emu xenstore rm`, as `xenstore-rm`.
@Command(name = "rm", description = "Remove nodes and everything below, in one transaction.")
final class RmCommand extends PathsTool {
    @Option(
            names = {"-t", "--tidy"},
            description = "Also remove the nodes above that then have neither value nor children.")
    private boolean tidy;

    @Override
    void run(StoreConnection store, String path, ToolOutput output) throws IOException, ToolFailed {
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

    @Override
    boolean needsTransaction(int nodes) {
        return true;
    }

    private static boolean isBare(StoreConnection store, String path) throws IOException {
        try {
            return store.read(path).length == 0 && store.list(path).isEmpty();
        } catch (RequestFailed e) {
            return false;
        }
    }
}
