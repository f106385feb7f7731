package io.xenemu.core.xenstore;

import io.xenemu.xenstore.XenStoreState;
import io.xenemu.xenstore.XenStoreState.NodeState;
import io.xenemu.xenstore.XenStoreState.SpecialState;
import io.xenemu.xenstore.stream.MigrationStream;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.tree.Permissions;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// `xen-emu xenstore dump`: all nodes as Xen's migration stream, read by ordinary requests, so that any daemon can be asked.
@Command(
        name = "dump",
        description = {
            "Write all nodes, with values and permissions, to a file, as they are at one moment.",
            "The format is that of Xen's docs/designs/xenstore-migration.md. Connections, watches and transactions are not part of it."
        },
        sortOptions = false,
        usageHelpAutoWidth = true,
        mixinStandardHelpOptions = true,
        exitCodeOnInvalidInput = XenstoreCommand.FAILED)
final class DumpCommand extends StoreTool {
    private static final List<String> SPECIAL = List.of("@introduceDomain", "@releaseDomain");

    @Option(
            names = "--stream-version",
            paramLabel = "N",
            defaultValue = "1",
            description = "1, which every daemon reads, or 2. Default: ${DEFAULT-VALUE}.")
    private int version;

    @Parameters(arity = "1", paramLabel = "FILE", description = "Where to; - for standard output.")
    private String file = "";

    @Override
    void run(StoreConnection store) throws IOException, RequestFailed, ToolFailed {
        List<NodeState> nodes = new ArrayList<>();
        List<SpecialState> special = new ArrayList<>();
        perform(
                store,
                true,
                (connection, _) -> {
                    nodes.clear();
                    add(connection, "/", nodes);
                });
        for (String name : SPECIAL) {
            try {
                special.add(new SpecialState(Path.of(name), permissions(store, name)));
            } catch (RequestFailed e) {
                // C xenstored before 4.23 does not tell.
            }
        }
        XenStoreState state =
                new XenStoreState(
                        nodes,
                        special,
                        List.of(),
                        XenStoreState.Descriptors.NONE,
                        List.of(),
                        List.of());
        try (OutputStream out = output()) {
            MigrationStream.write(state, version, out);
        }
    }

    private OutputStream output() throws IOException {
        return file.equals("-")
                ? System.out
                : new BufferedOutputStream(Files.newOutputStream(java.nio.file.Path.of(file)));
    }

    private static void add(StoreConnection store, String path, List<NodeState> nodes)
            throws IOException, RequestFailed {
        int ordinal = nodes.size();
        nodes.add(
                new NodeState(
                        Path.of(path),
                        store.read(path),
                        permissions(store, path),
                        ordinal,
                        ordinal));
        for (String name : store.list(path)) {
            add(store, path.endsWith("/") ? path + name : path + "/" + name, nodes);
        }
    }

    private static Permissions permissions(StoreConnection store, String path)
            throws IOException, RequestFailed {
        return Permissions.of(store.permissions(path).toArray(String[]::new));
    }
}
