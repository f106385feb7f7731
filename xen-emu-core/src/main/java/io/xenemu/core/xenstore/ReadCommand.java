package io.xenemu.core.xenstore;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// `xen-emu xenstore read`, as `xenstore-read`.
@Command(
        name = "read",
        description = "Print the values of nodes.",
        sortOptions = false,
        usageHelpAutoWidth = true,
        mixinStandardHelpOptions = true,
        exitCodeOnInvalidInput = XenstoreCommand.FAILED)
final class ReadCommand extends StoreTool {
    @Option(
            names = {"-p", "--prefix"},
            description = "Print the path in front of each value.")
    private boolean prefix;

    @Option(
            names = {"-R", "--raw"},
            description = "Print the bytes unchanged, without an end of line.")
    private boolean raw;

    @Parameters(arity = "1..*", paramLabel = "PATH", description = "Nodes to read.")
    private List<String> paths = new ArrayList<>();

    @Override
    void run(StoreConnection store) throws IOException, RequestFailed, ToolFailed {
        perform(
                store,
                paths.size() > 1,
                (connection, output) -> {
                    for (String path : paths) {
                        byte[] value = value(connection, path);
                        if (prefix) {
                            output.print(path + ": ");
                        }
                        if (raw) {
                            output.print(value);
                        } else {
                            output.print(ValueText.show(value) + "\n");
                        }
                    }
                });
    }

    private static byte[] value(StoreConnection store, String path) throws IOException, ToolFailed {
        try {
            return store.read(path);
        } catch (RequestFailed e) {
            throw new ToolFailed("couldn't read path " + path + ": " + e.getMessage());
        }
    }
}
