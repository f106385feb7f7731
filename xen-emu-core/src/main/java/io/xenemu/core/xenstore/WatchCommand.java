package io.xenemu.core.xenstore;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// `xen-emu xenstore watch`, as `xenstore-watch`.
@Command(
        name = "watch",
        description =
                "Print the paths of the nodes, and then the path of every change at or below them.")
final class WatchCommand extends StoreTool {
    @Option(
            names = {"-n", "--number"},
            paramLabel = "NR",
            description = "Number of events after which to end. Default: no end.")
    private int number = -1;

    @Parameters(arity = "1..*", paramLabel = "PATH", description = "Nodes to watch.")
    private List<String> paths = new ArrayList<>();

    @Override
    void run(StoreConnection store) throws IOException, RequestFailed, ToolFailed {
        for (String path : paths) {
            try {
                store.watch(path, path);
            } catch (RequestFailed e) {
                throw new ToolFailed("Unable to add watch on " + path + ": " + e.getMessage());
            }
        }
        ToolOutput output = new ToolOutput();
        for (int left = number; left != 0; left = left < 0 ? left : left - 1) {
            output.print(store.nextEvent() + "\n").writeTo(System.out);
        }
    }
}
