package io.xenemu.core.xenstore;

import io.xenemu.kvm.abi.IoReason;
import io.xenemu.xenstore.state.XenStoreState;
import io.xenemu.xenstore.state.XenStoreState.NodeState;
import io.xenemu.xenstore.state.XenStoreState.SpecialState;
import io.xenemu.xenstore.stream.MigrationStream;
import io.xenemu.xenstore.tree.Permissions;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// `xen-emu xenstore restore`: writes the nodes of a `dump`, by ordinary requests.
@Command(
        name = "restore",
        description = {
            "Write all nodes of a dump file, with values and permissions, in one transaction.",
            "Nodes that are not in the file stay as they are."
        })
final class RestoreCommand extends StoreTool {
    @Option(
            names = "--no-permissions",
            description = "Do not set permissions, for a host on which the owners do not exist.")
    private boolean noPermissions;

    @Parameters(
            arity = "1",
            paramLabel = "FILE",
            description = "File to read; - for standard input.")
    private String file = "";

    @Override
    void run(StoreConnection store) throws IOException, RequestFailed, ToolFailed {
        XenStoreState state = state();
        perform(
                store,
                true,
                (connection, _) -> {
                    for (NodeState node : state.nodes()) {
                        put(connection, node);
                    }
                });
        if (!noPermissions) {
            for (SpecialState special : state.special()) {
                setPermissions(store, special.path().toString(), special.permissions());
            }
        }
    }

    private XenStoreState state() throws ToolFailed {
        try (InputStream in =
                file.equals("-")
                        ? System.in
                        : new BufferedInputStream(Files.newInputStream(Path.of(file)))) {
            return MigrationStream.read(in);
        } catch (IOException e) {
            throw new ToolFailed(file + ": " + IoReason.withoutFile(e));
        }
    }

    private void put(StoreConnection store, NodeState node) throws IOException, ToolFailed {
        String path = node.path().toString();
        try {
            // C xenstored accepts no value for the root.
            if (!node.path().isRoot() || node.value().length > 0) {
                store.write(path, node.value());
            }
        } catch (RequestFailed e) {
            throw new ToolFailed("could not write " + path + ": " + e.getMessage());
        }
        if (!noPermissions) {
            setPermissions(store, path, node.permissions());
        }
    }

    private static void setPermissions(StoreConnection store, String path, Permissions permissions)
            throws IOException, ToolFailed {
        try {
            store.setPermissions(path, permissions.encode());
        } catch (RequestFailed e) {
            throw new ToolFailed(
                    "could not set permissions of "
                            + path
                            + ": "
                            + e.getMessage()
                            + (e.is("ENOENT") ? " (its owner does not exist here)" : ""));
        }
    }
}
