package io.xenemu.core.xenstore;

import io.xenemu.xenstore.tree.Path;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// `xen-emu xenstore chmod`, as `xenstore-chmod`.
@Command(name = "chmod", description = "Set the owner and the permissions of a node.")
final class ChmodCommand extends StoreTool {
    private static final String LETTERS = "nrwb";

    @Option(
            names = {"-u", "--upto"},
            description = "Also change all nodes above, except the root.")
    private boolean upTo;

    @Option(
            names = {"-r", "--recurse"},
            description = "Also change all nodes below.")
    private boolean recurse;

    @Parameters(index = "0", paramLabel = "PATH", description = "Node to change.")
    private String node = "";

    @Parameters(
            index = "1..*",
            arity = "0..*",
            paramLabel = "MODE",
            description =
                    "n, r, w or b (none, read, write, both) and a domain id. The first names the owner, and the rights of all"
                            + " other domains.")
    private List<String> modes = new ArrayList<>();

    @Override
    void run(StoreConnection store) throws IOException, RequestFailed, ToolFailed {
        perform(
                store,
                true,
                (connection, _) -> {
                    List<String> permissions = permissions();
                    set(connection, node, permissions);
                    if (upTo) {
                        setAbove(connection, permissions);
                    }
                    if (recurse) {
                        setBelow(connection, node, permissions);
                    }
                });
    }

    private List<String> permissions() throws ToolFailed {
        List<String> permissions = new ArrayList<>();
        for (String mode : modes) {
            if (mode.isEmpty() || LETTERS.indexOf(mode.charAt(0)) < 0) {
                throw new ToolFailed("Invalid permission specification: '" + mode + "'");
            }
            permissions.add(mode.charAt(0) + (mode.length() == 1 ? "0" : mode.substring(1)));
        }
        return permissions;
    }

    private void setAbove(StoreConnection store, List<String> permissions)
            throws IOException, ToolFailed {
        String path = node;
        while (!path.isEmpty()) {
            int slash = path.lastIndexOf('/');
            if (slash < 0) {
                throw new ToolFailed("Unable to locate path separator '/' in '" + path + "'");
            }
            path = path.substring(0, slash);
            if (!path.isEmpty()) {
                set(store, path, permissions);
            }
        }
    }

    private static void setBelow(StoreConnection store, String path, List<String> permissions)
            throws IOException, ToolFailed {
        List<String> names;
        try {
            names = store.list(path);
        } catch (RequestFailed e) {
            return; // as the Xen tool does
        }
        for (String name : names) {
            String child = Path.join(path, name);
            set(store, child, permissions);
            setBelow(store, child, permissions);
        }
    }

    private static void set(StoreConnection store, String path, List<String> permissions)
            throws IOException, ToolFailed {
        try {
            store.setPermissions(path, permissions);
        } catch (RequestFailed e) {
            throw new ToolFailed(
                    "Error occurred setting permissions on '" + path + "': " + e.getMessage());
        }
    }
}
