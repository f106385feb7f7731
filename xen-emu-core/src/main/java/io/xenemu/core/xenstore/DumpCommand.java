package io.xenemu.core.xenstore;

import io.xenemu.kvm.abi.IoReason;
import io.xenemu.xenstore.state.XenStoreState;
import io.xenemu.xenstore.state.XenStoreState.NodeState;
import io.xenemu.xenstore.state.XenStoreState.SpecialState;
import io.xenemu.xenstore.stream.MigrationStream;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.tree.Permissions;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// `xen-emu xenstore dump`: writes all nodes as Xen's migration stream. It reads them by ordinary requests, so it
/// works with any daemon.
@Command(
        name = "dump",
        description = {
            "Write all nodes, with values and permissions, to a file, in one consistent state.",
            "The format is that of Xen's docs/designs/xenstore-migration.md. Connections, watches and transactions are not included."
        })
final class DumpCommand extends StoreTool {
    private static final List<String> SPECIAL = List.of("@introduceDomain", "@releaseDomain");

    @Option(
            names = "--stream-version",
            paramLabel = "N",
            defaultValue = "1",
            description =
                    "Format version: 1, which every daemon reads, or 2. Default: ${DEFAULT-VALUE}.")
    private int version;

    @Parameters(
            arity = "1",
            paramLabel = "FILE",
            description = "File to write; - for standard output.")
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
                // C xenstored before 4.23 does not report this.
            }
        }
        byte[] dump = MigrationStream.encode(XenStoreState.ofNodes(nodes, special), version);
        if (file.equals("-")) {
            new ToolOutput().print(dump).writeTo(System.out);
        } else {
            try {
                write(dump, java.nio.file.Path.of(file));
            } catch (IOException e) {
                throw new ToolFailed(file + ": " + IoReason.withoutFile(e));
            }
        }
    }

    /// Replaces a file by a complete dump in one step, so that an earlier dump stays until then. A path that is not a
    /// file, such as a pipe, is written to directly.
    private static void write(byte[] dump, java.nio.file.Path given) throws IOException {
        java.nio.file.Path target = Files.exists(given) ? given.toRealPath() : given;
        if (Files.exists(target) && !Files.isRegularFile(target)) {
            Files.write(target, dump);
            return;
        }
        java.nio.file.Path fresh = target.resolveSibling(target.getFileName() + ".new");
        try (FileChannel channel =
                FileChannel.open(
                        fresh,
                        StandardOpenOption.WRITE,
                        StandardOpenOption.CREATE,
                        StandardOpenOption.TRUNCATE_EXISTING)) {
            ByteBuffer bytes = ByteBuffer.wrap(dump);
            while (bytes.hasRemaining()) {
                channel.write(bytes);
            }
            channel.force(true);
            Files.move(fresh, target, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            Files.deleteIfExists(fresh);
            throw e;
        }
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
            add(store, Path.join(path, name), nodes);
        }
    }

    private static Permissions permissions(StoreConnection store, String path)
            throws IOException, RequestFailed {
        return Permissions.of(store.permissions(path).toArray(String[]::new));
    }
}
