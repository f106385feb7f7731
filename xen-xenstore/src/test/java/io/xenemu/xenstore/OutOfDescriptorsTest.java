package io.xenemu.xenstore;

import static io.xenemu.xenstore.SocketPeer.read;
import static io.xenemu.xenstore.SocketPeer.send;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.xenstore.wire.MessageHeader;
import io.xenemu.xenstore.wire.MessageType;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.lang.ProcessBuilder.Redirect;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// A server in a process that may open few files, with more clients than that.
@Timeout(60)
class OutOfDescriptorsTest {
    private static final int FILES = 80;
    private static final long WATCHED_MILLIS = 1000;

    @TempDir
    @SuppressWarnings("NullAway.Init")
    Path directory;

    /// The server, until its input ends.
    static final class Server {
        private Server() {}

        @SuppressWarnings("SystemOut")
        public static void main(String[] arguments) throws IOException {
            try (Rig rig = new Rig();
                    BufferedReader lines =
                            new BufferedReader(
                                    new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
                Path path = rig.server.listen(Path.of(arguments[0])).path();
                try (SocketChannel warm = SocketChannel.open(UnixDomainSocketAddress.of(path))) {
                    ask(warm); // what is loaded later would find no descriptor
                }
                System.out.println("ready");
                lines.readLine();
            }
        }
    }

    private static void ask(SocketChannel channel) throws IOException {
        send(channel, MessageType.READ, "/\0");
        byte[] _ = read(channel, MessageHeader.SIZE);
    }

    @Test
    void clientsWaitWithoutWorkUntilOthersGo() throws Exception {
        Path socket = directory.resolve("xs");
        Path log = directory.resolve("log");
        Process server =
                new ProcessBuilder(
                                "/bin/sh",
                                "-c",
                                "ulimit -n " + FILES + "; exec \"$@\"",
                                "sh",
                                Path.of(System.getProperty("java.home"), "bin/java").toString(),
                                "--enable-native-access=ALL-UNNAMED",
                                "-XX:+UseSerialGC",
                                "-cp",
                                System.getProperty("java.class.path"),
                                Server.class.getName(),
                                socket.toString())
                        .redirectError(Redirect.to(log.toFile()))
                        .start();
        List<SocketChannel> channels = new ArrayList<>();
        try (BufferedReader answers = server.inputReader()) {
            assertEquals("ready", answers.readLine());
            for (int i = 0; i < FILES; i++) {
                channels.add(SocketChannel.open(UnixDomainSocketAddress.of(socket)));
            }
            ask(channels.getFirst());
            long before = processorTime(server);
            Thread.sleep(WATCHED_MILLIS);
            long used = processorTime(server) - before;
            assertTrue(used < TimeUnit.MILLISECONDS.toNanos(WATCHED_MILLIS) / 2, "it used " + used);
            // Each descriptor that becomes free below lets one client in, and the next one may meet
            // the limit again.
            List<String> told = Files.readAllLines(log);
            assertEquals(
                    1,
                    told.stream().filter(line -> line.contains("cannot accept")).count(),
                    "" + told);
            SocketChannel last = channels.getLast();
            for (SocketChannel channel : channels) {
                if (!channel.equals(last)) {
                    channel.close();
                }
            }
            ask(last);
        } finally {
            server.destroyForcibly();
            for (SocketChannel channel : channels) {
                channel.close();
            }
        }
    }

    /// Nanoseconds of all its threads.
    private static long processorTime(Process server) {
        return server.info().totalCpuDuration().orElseThrow().toNanos();
    }
}
