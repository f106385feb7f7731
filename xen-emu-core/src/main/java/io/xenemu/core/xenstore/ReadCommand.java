package io.xenemu.core.xenstore;

import java.io.IOException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/// `xen-emu xenstore read`, as `xenstore-read`.
@Command(name = "read", description = "Print the values of nodes.")
final class ReadCommand extends PathsTool {
    @Option(
            names = {"-p", "--prefix"},
            description = "Print the path in front of each value.")
    private boolean prefix;

    @Option(
            names = {"-R", "--raw"},
            description = "Print the bytes unchanged, without an end of line.")
    private boolean raw;

    @Override
    void run(StoreConnection store, String path, ToolOutput output) throws IOException, ToolFailed {
        byte[] value = value(store, path);
        if (prefix) {
            output.print(path + ": ");
        }
        if (raw) {
            output.print(value);
        } else {
            output.print(ValueText.show(value) + "\n");
        }
    }

    /// One value is read without a transaction, as by the Xen tools.
    @Override
    boolean needsTransaction(int nodes) {
        return nodes > 1;
    }

    private static byte[] value(StoreConnection store, String path) throws IOException, ToolFailed {
        try {
            return store.read(path);
        } catch (RequestFailed e) {
            throw new ToolFailed("couldn't read path " + path + ": " + e.getMessage());
        }
    }
}
