package io.xenemu.core.xenstore;

import io.xenemu.core.device.Terminal;
import io.xenemu.xenstore.tree.Path;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// `xen-emu xenstore ls`, as `xenstore-ls`.
@Command(name = "ls", description = "Print nodes and all nodes below them, with their values.")
final class LsCommand extends StoreTool {
    /// The width of output that is not a terminal.
    private static final int DEFAULT_WIDTH = 80;

    private static final int UNLIMITED = Integer.MAX_VALUE / 2;

    /// The column of permissions, if there is room.
    private static final int PERMISSIONS_COLUMN = 60;

    /// The characters around a value.
    private static final int FRAME = " = \"...\"".length();

    @Option(
            names = {"-f", "--flat"},
            description = "Print whole paths and whole values.")
    private boolean flat;

    @Option(
            names = {"-p", "--prefix"},
            description = "Print permissions.")
    private boolean permissions;

    @Parameters(arity = "0..*", paramLabel = "PATH", description = "Nodes to print. Default: /.")
    private List<String> paths = new ArrayList<>();

    private int width = DEFAULT_WIDTH;

    @Override
    void run(StoreConnection store) throws IOException, ToolFailed {
        width = flat ? UNLIMITED : Terminal.columns().orElse(DEFAULT_WIDTH + 2) - 2;
        ToolOutput output = new ToolOutput();
        try {
            for (String path : paths.isEmpty() ? List.of("/") : paths) {
                list(store, path, 0, output);
            }
        } finally {
            output.writeTo(System.out);
        }
    }

    private void list(StoreConnection store, String path, int depth, ToolOutput output)
            throws IOException, ToolFailed {
        List<String> names;
        try {
            names = store.list(path);
        } catch (RequestFailed e) {
            if (depth > 0 && e.is("ENOENT")) {
                return; // has gone meanwhile
            }
            throw new ToolFailed("xs_directory (" + path + "): " + e.getMessage());
        }
        for (String name : names) {
            String child = Path.join(path, name);
            print(store, child, name, depth, output);
            output.print("\n").writeTo(System.out);
            list(store, child, depth + 1, output);
        }
    }

    private void print(
            StoreConnection store, String path, String name, int depth, ToolOutput output)
            throws IOException {
        int column = 0;
        if (flat) {
            output.print(path);
        } else {
            String shown = cut(name, width - FRAME - depth);
            output.print(" ".repeat(depth) + shown);
            column = depth + shown.length();
        }
        try {
            printValue(store.read(path), column, output);
        } catch (RequestFailed e) {
            output.print(":\n");
        }
        if (permissions) {
            try {
                output.print("  (" + String.join(",", store.permissions(path)) + ")");
            } catch (RequestFailed e) {
                System.err.println(
                        "xen-emu: could not access permissions for "
                                + name
                                + ": "
                                + e.getMessage());
            }
        }
    }

    private void printValue(byte[] value, int column, ToolOutput output) {
        String text = ValueText.show(value);
        if (width < column + value.length + FRAME) {
            output.print(" = \"" + cut(text, width - FRAME - column) + "\\...\"");
            return;
        }
        output.print(" = \"" + text + "\"");
        if (permissions) {
            output.print(" ");
            int end = Math.min(flat ? 0 : PERMISSIONS_COLUMN, width);
            int at = column + " = \"\"".length() + text.length() + 1;
            for (; at < end; at++) {
                output.print(at % 2 == 1 ? "." : " ");
            }
        }
    }

    /// The first `length` characters; all of them if it is negative, as in printf.
    private static String cut(String text, int length) {
        return length < 0 || length > text.length() ? text : text.substring(0, length);
    }
}
