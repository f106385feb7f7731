package io.xenemu.core.xenstore;

import java.io.IOException;
import picocli.CommandLine.Command;

/// `xen-emu xenstore exists`, as `xenstore-exists`.
@Command(
        name = "exists",
        description =
                "Check whether nodes exist: the exit code is 0 if all of them do, otherwise 1.")
final class ExistsCommand extends PathsTool {
    @Override
    void run(StoreConnection store, String path, ToolOutput output) throws IOException, ToolFailed {
        try {
            store.read(path);
        } catch (RequestFailed e) {
            throw new ToolFailed("");
        }
    }

    @Override
    boolean needsTransaction(int nodes) {
        return true;
    }
}
