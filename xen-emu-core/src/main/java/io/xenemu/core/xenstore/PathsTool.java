package io.xenemu.core.xenstore;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Parameters;

/// A command that does the same with each of some nodes, in one transaction.
abstract class PathsTool extends StoreTool {
    @Parameters(arity = "1..*", paramLabel = "PATH", description = "Paths of nodes.")
    private List<String> paths = new ArrayList<>();

    @Override
    final void run(StoreConnection store) throws IOException, RequestFailed, ToolFailed {
        perform(
                store,
                needsTransaction(paths.size()),
                (connection, output) -> {
                    for (String path : paths) {
                        run(connection, path, output);
                    }
                });
    }

    /// Does the command's work for one node; may run more than once.
    ///
    /// @throws ToolFailed if the transaction must not be committed
    abstract void run(StoreConnection store, String path, ToolOutput output)
            throws IOException, ToolFailed;

    /// Whether the work for this number of nodes needs a transaction.
    abstract boolean needsTransaction(int nodes);
}
