package io.xenemu.core.xenstore;

import java.io.IOException;
import java.nio.charset.Charset;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/// `xen-emu xenstore write`, as `xenstore-write`.
@Command(name = "write", description = "Set the values of nodes; several in one transaction.")
final class WriteCommand extends StoreTool {
    @Spec private @Nullable CommandSpec spec;

    @Option(
            names = {"-R", "--raw"},
            description = "Use the values unchanged, without escapes such as \\n and \\x00.")
    private boolean raw;

    @Parameters(arity = "2..*", paramLabel = "PATH VALUE", description = "Nodes and their values.")
    private List<String> pairs = new ArrayList<>();

    @Override
    void run(StoreConnection store) throws IOException, RequestFailed, ToolFailed {
        if (pairs.size() % 2 != 0 && spec != null) {
            throw new ParameterException(
                    spec.commandLine(), "no value given for " + pairs.getLast());
        }
        perform(
                store,
                pairs.size() > 2,
                (connection, _) -> {
                    for (int i = 0; i < pairs.size(); i += 2) {
                        write(connection, pairs.get(i), value(pairs.get(i + 1)));
                    }
                });
    }

    /// The bytes of a command line argument, as far as the locale can encode them.
    private byte[] value(String argument) {
        byte[] bytes = argument.getBytes(Charset.forName(System.getProperty("sun.jnu.encoding")));
        return raw ? bytes : ValueText.parse(bytes);
    }

    private static void write(StoreConnection store, String path, byte[] value)
            throws IOException, ToolFailed {
        try {
            store.write(path, value);
        } catch (RequestFailed e) {
            throw new ToolFailed("could not write path " + path + ": " + e.getMessage());
        }
    }
}
