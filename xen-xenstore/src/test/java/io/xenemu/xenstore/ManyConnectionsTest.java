package io.xenemu.xenstore;

import static io.xenemu.xenstore.SocketPeer.receive;
import static io.xenemu.xenstore.SocketPeer.send;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.xenemu.kvm.testing.Eventually;
import io.xenemu.xenstore.store.XenStore;
import io.xenemu.xenstore.wire.MessageType;
import java.io.File;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Thousands of clients at once, each with a watch and a transaction of its own. Both ends of their connections are in
/// this process, which the limit of open files has to allow.
class ManyConnectionsTest {
    private static final int CONNECTIONS = 4000;

    private static final Pattern FILES = Pattern.compile("Max open files +(\\d+)");

    /// Files that the JVM may open or close meanwhile for itself.
    private static final int OTHER_FILES = 100;

    @TempDir
    @SuppressWarnings("NullAway.Init")
    Path directory;

    private final Rig rig = new Rig();
    private final List<SocketChannel> channels = new ArrayList<>();

    @BeforeEach
    void requireFiles() throws IOException {
        Matcher limit = FILES.matcher(Files.readString(Path.of("/proc/self/limits")));
        long allowed = limit.find() ? Long.parseLong(limit.group(1)) : Long.MAX_VALUE;
        assumeTrue(
                allowed > 2 * CONNECTIONS + OTHER_FILES,
                "this process may have only " + allowed + " files open (ulimit -n)");
    }

    @AfterEach
    void close() throws IOException {
        closeAll();
        rig.close();
    }

    private void closeAll() throws IOException {
        for (SocketChannel channel : channels) {
            channel.close();
        }
    }

    private static int openFiles() {
        return Objects.requireNonNull(new File("/proc/self/fd").list()).length;
    }

    private double connections() {
        return rig.registry.get("xen.xenstore.connections").gauge().value();
    }

    @Test
    @Timeout(120) // it waits for the server to notice
    void eachConnectionIsServedAndLeavesNothingBehind() throws Exception {
        Path path = rig.server.listen(directory.resolve("xs")).path();
        XenStore store = rig.server.access().store();
        int filesBefore = openFiles();
        for (int i = 0; i < CONNECTIONS; i++) {
            channels.add(SocketChannel.open(UnixDomainSocketAddress.of(path)));
        }
        for (int i = 0; i < CONNECTIONS; i++) {
            send(channels.get(i), MessageType.WATCH, "/" + i + "\0t\0");
            send(channels.get(i), MessageType.TRANSACTION_START, "\0");
        }
        for (int i = 0; i < CONNECTIONS; i++) {
            assertEquals("OK\0", receive(channels.get(i)).text());
            assertEquals("/" + i + "\0t\0", receive(channels.get(i)).text());
            assertEquals(MessageType.TRANSACTION_START.code(), receive(channels.get(i)).type());
        }
        assertEquals(CONNECTIONS, connections());
        assertEquals(CONNECTIONS, store.watchCount());
        assertEquals(CONNECTIONS, store.transactionCount());
        assertTrue(openFiles() >= filesBefore + 2 * CONNECTIONS);

        // Each is told of what another has written, and of nothing else.
        for (int i = 0; i < CONNECTIONS; i++) {
            send(channels.get(CONNECTIONS - 1 - i), MessageType.WRITE, "/" + i + "\0value");
        }
        for (int i = 0; i < CONNECTIONS; i++) {
            List<String> both =
                    List.of(receive(channels.get(i)).text(), receive(channels.get(i)).text());
            assertTrue(both.contains("/" + i + "\0t\0"), both.toString());
            assertTrue(both.contains("OK\0"), both.toString());
        }

        closeAll();
        Eventually.holds("the server notices", () -> connections() == 0);
        assertEquals(0, store.watchCount());
        assertEquals(0, store.transactionCount());
        // The selector closes what was cancelled when it selects next.
        Eventually.holds("descriptors are closed", () -> openFiles() <= filesBefore + OTHER_FILES);
    }
}
