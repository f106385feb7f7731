package io.xenemu.it.xenstore;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.xenstore.XenStoreServer;
import io.xenemu.xenstore.client.XenStoreClient;
import io.xenemu.xenstore.metrics.XenStoreMetrics;
import io.xenemu.xenstore.quota.Quotas;
import io.xenemu.xenstore.ring.GuestDomains;
import io.xenemu.xenstore.state.XenStoreState;
import io.xenemu.xenstore.stream.MigrationStream;
import io.xenemu.xenstore.tree.Permissions;
import io.xenemu.xenstore.wire.MessageHeader;
import io.xenemu.xenstore.wire.MessageType;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// A store goes from C xenstored to ours and back, by C xenstored's own live update: it writes its state and runs the
/// new daemon, which reads it. A script in between keeps what was written, and puts our stream in its place. Needs
/// Debian's xen-utils-4.17, which `src/peers/peers` fetches.
@Timeout(120) // a lost live update would leave a connection without an answer
class StreamIT {
    private static final Path PEERS = Path.of("src/peers/peers").toAbsolutePath();
    private static final Path PACKAGES = Path.of("target/xenstore-peers").toAbsolutePath();
    private static final Path DAEMON = PACKAGES.resolve("root/usr/lib/xen-4.17/bin/xenstored");

    private static final int STREAM_HEADER_BYTES = 16;
    private static final int CONNECTION_DATA = 2;
    private static final int WATCH_DATA = 3;

    private static final String SCRIPT =
            """
            #!/bin/sh
            folder="$XENSTORED_RUNDIR"
            cp "$folder/state_dump" "$folder/kept.new" && mv "$folder/kept.new" "$folder/kept"
            [ ! -f "$folder/next" ] || mv "$folder/next" "$folder/state_dump"
            exec "$(cat "$folder/real")" "$@"
            """;

    @TempDir private Path folder = Path.of("");

    private Path socket = Path.of("");
    private Path state = Path.of("");
    private Path script = Path.of("");
    private long daemon;

    private record Outcome(int exitCode, String output) {}

    private static Outcome peers(String... arguments) throws IOException, InterruptedException {
        ProcessBuilder command = new ProcessBuilder(PEERS.toString());
        command.command().addAll(List.of(arguments));
        command.environment().putAll(Map.of("XS_PEERS", PACKAGES.toString()));
        Process process = command.redirectErrorStream(true).start();
        process.getOutputStream().close();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return new Outcome(process.waitFor(), output.strip());
    }

    @BeforeEach
    void startC() throws IOException, InterruptedException {
        Outcome setUp = peers("setup");
        assumeTrue(setUp.exitCode == 0, () -> "needs Debian's xen-utils-4.17: " + setUp.output);
        socket = folder.resolve("c.socket");
        Outcome start = peers("start", "c", socket.toString());
        assertEquals(0, start.exitCode, start.output);
        daemon = Long.parseLong(start.output);
        state = folder.resolve("c.socket.fx");
        script = Files.writeString(folder.resolve("new-daemon"), SCRIPT);
        Files.writeString(state.resolve("real"), DAEMON.toString());
        script.toFile().setExecutable(true);
    }

    @AfterEach
    void stopC() {
        if (daemon != 0) {
            ProcessHandle.of(daemon).ifPresent(ProcessHandle::destroyForcibly);
        }
    }

    /// One connection, one request at a time.
    private record Tool(SocketChannel channel) implements AutoCloseable {
        static Tool connect(Path socket) throws IOException {
            return new Tool(SocketChannel.open(UnixDomainSocketAddress.of(socket)));
        }

        void send(MessageType type, String payload) throws IOException {
            byte[] body = payload.getBytes(StandardCharsets.ISO_8859_1);
            byte[] header = new byte[MessageHeader.SIZE];
            MessageHeader.put(header, 0, type, 1, 0, body.length);
            channel.write(ByteBuffer.wrap(header));
            channel.write(ByteBuffer.wrap(body));
        }

        String ask(MessageType type, String payload) throws IOException {
            send(type, payload);
            byte[] header = exactly(MessageHeader.SIZE);
            byte[] reply = exactly(MessageHeader.length(header, 0));
            return new String(reply, StandardCharsets.ISO_8859_1);
        }

        private byte[] exactly(int bytes) throws IOException {
            ByteBuffer buffer = ByteBuffer.allocate(bytes);
            while (buffer.hasRemaining()) {
                if (channel.read(buffer) < 0) {
                    throw new IOException("the daemon has closed the connection");
                }
            }
            return buffer.array();
        }

        @Override
        public void close() throws IOException {
            channel.close();
        }
    }

    private String ask(MessageType type, String payload) throws IOException {
        try (Tool tool = Tool.connect(socket)) {
            return tool.ask(type, payload);
        }
    }

    /// Has C xenstored live-update to itself; the stream that it wrote.
    private byte[] liveUpdate() throws IOException {
        try (Tool tool = Tool.connect(socket)) {
            prepare(tool);
            assertEquals("OK\0", tool.ask(MessageType.CONTROL, "live-update\0-s\0"));
        }
        return Files.readAllBytes(state.resolve("kept"));
    }

    private void prepare(Tool tool) throws IOException {
        String payload = "live-update\0-f\0" + script + "\0";
        assertEquals("OK\0", tool.ask(MessageType.CONTROL, payload));
    }

    /// The records of a stream, as text, sorted. The order of equal records and the numbers of connections are the
    /// writer's choice.
    private static List<String> records(byte[] stream) {
        ByteBuffer bytes = ByteBuffer.wrap(stream).order(ByteOrder.LITTLE_ENDIAN);
        bytes.position(STREAM_HEADER_BYTES);
        List<String> records = new ArrayList<>();
        while (bytes.hasRemaining()) {
            int type = bytes.getInt();
            byte[] body = new byte[bytes.getInt()];
            bytes.get(body);
            bytes.position((bytes.position() + 7) & -8);
            if (type == CONNECTION_DATA || type == WATCH_DATA) {
                Arrays.fill(body, 0, Integer.BYTES, (byte) 0); // the connection's number
            }
            records.add(type + " " + HexFormat.of().formatHex(body));
        }
        records.sort(null);
        return records;
    }

    @Test
    void dumpOfCXenstoredIsReadWithoutLoss() throws IOException {
        ask(MessageType.WRITE, "/a/b\0value");
        ask(MessageType.SET_PERMS, "/a/b\0n0\0r0\0");
        ask(MessageType.WRITE, "/a/binary\0\0\1\u00ff");
        ask(MessageType.MKDIR, "/a/empty\0");
        ask(MessageType.WRITE, "/a/long\0" + "x".repeat(2000));
        try (Tool watching = Tool.connect(socket)) {
            watching.ask(MessageType.WATCH, "/a\0token\0");
            watching.ask(MessageType.WATCH, "@releaseDomain\0\1 other\0");
            byte[] written = liveUpdate();
            XenStoreState read = MigrationStream.decode(written);
            byte[] again = MigrationStream.encode(read, 1);
            assertEquals(records(written), records(again));
            assertArrayEquals(again, MigrationStream.encode(MigrationStream.decode(again), 1));
            assertEquals(
                    "/a",
                    read.sockets().getFirst().connection().watches().getFirst().path().toString());
            XenStoreState.NodeState node =
                    read.nodes().stream()
                            .filter(n -> n.path().toString().equals("/a/b"))
                            .findFirst()
                            .orElseThrow();
            assertEquals("value", new String(node.value(), StandardCharsets.US_ASCII));
            assertEquals("n0 r0", node.permissions().toString());
        }
    }

    @Test
    void dumpOfOursIsServedByCXenstored() throws Exception {
        ask(MessageType.WRITE, "/theirs/a\0one");
        XenStoreState theirs = MigrationStream.decode(liveUpdate());
        XenStoreState both;
        try (XenStoreServer ours =
                        new XenStoreServer(
                                Quotas.DEFAULT,
                                GuestDomains.NONE,
                                new XenStoreMetrics(new SimpleMeterRegistry()),
                                Runnable::run);
                XenStoreClient client = ours.client()) {
            ours.restore(
                    theirs.withoutSockets().without(DomId.DOM0),
                    domain -> {
                        throw new AssertionError(domain.toString());
                    });
            assertEquals("one", client.read("/theirs/a"));
            client.write("/theirs/a", "two");
            client.writeBytes("/ours/binary", new byte[] {0, 1, (byte) 0xff});
            client.mkdir("/ours/empty");
            client.setPermissions("/ours/empty", Permissions.of("n0", "b0"));
            XenStoreState saved = ours.save();
            // Its listening socket, its event channels and the ring of domain 0 are its own.
            both =
                    new XenStoreState(
                            saved.nodes(),
                            saved.special(),
                            List.of(),
                            theirs.descriptors(),
                            theirs.domains(),
                            List.of());
        }
        Files.write(state.resolve("next"), MigrationStream.encode(both, 1));
        try (Tool tool = Tool.connect(socket)) {
            prepare(tool);
            // Our stream does not know this connection: the new daemon does not answer on it.
            tool.send(MessageType.CONTROL, "live-update\0-s\0");
            // What connects before the old daemon is gone would be lost with it.
            while (Files.exists(state.resolve("next"))) {
                Thread.sleep(10);
            }
            assertEquals("two", ask(MessageType.READ, "/theirs/a\0"));
        }
        assertEquals("\0\1\u00ff", ask(MessageType.READ, "/ours/binary\0"));
        assertEquals("n0\0b0\0", ask(MessageType.GET_PERMS, "/ours/empty\0"));
        assertEquals("binary\0empty\0", ask(MessageType.DIRECTORY, "/ours\0"));
        XenStoreState again = MigrationStream.decode(liveUpdate());
        assertEquals(
                both.nodes().stream().map(node -> node.path()).toList(),
                again.nodes().stream().map(node -> node.path()).toList());
        assertEquals(both.domains().getFirst().port(), again.domains().getFirst().port());
    }
}
