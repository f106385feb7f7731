package io.xenemu.xenstore;

import static io.xenemu.xenstore.SocketPeer.receive;
import static io.xenemu.xenstore.SocketPeer.send;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.kvm.testing.Eventually;
import io.xenemu.xenstore.client.XenStoreClient;
import io.xenemu.xenstore.metrics.XenStoreMetrics;
import io.xenemu.xenstore.quota.Quotas;
import io.xenemu.xenstore.ring.GuestDomains;
import io.xenemu.xenstore.socket.ClientMemory;
import io.xenemu.xenstore.wire.MessageType;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Host tools that do not read what they have asked for.
@Timeout(60)
class DeafClientsTest {
    private static final long LIMIT = 2 << 20;

    /// Bytes that one change, one turn or one batch of requests adds before clients are disconnected.
    private static final long SLACK = 256 << 10;

    @TempDir
    @SuppressWarnings("NullAway.Init")
    Path directory;

    private final ClientMemory memory = new ClientMemory(LIMIT);
    private final SimpleMeterRegistry registry = new SimpleMeterRegistry();
    private final XenStoreServer server =
            new XenStoreServer(
                    Quotas.DEFAULT,
                    GuestDomains.NONE,
                    new XenStoreMetrics(registry),
                    Runnable::run,
                    memory);
    private final XenStoreClient guest = server.client();
    private final List<SocketChannel> channels = new ArrayList<>();

    @BeforeEach
    void listen() throws IOException {
        server.listen(directory.resolve("xs"));
    }

    @AfterEach
    void close() throws IOException {
        for (SocketChannel channel : channels) {
            channel.close();
        }
        server.close();
    }

    private SocketChannel connect() throws IOException {
        SocketChannel channel =
                SocketChannel.open(UnixDomainSocketAddress.of(directory.resolve("xs")));
        channels.add(channel);
        return channel;
    }

    private static void watch(SocketChannel channel, String path, String token) throws IOException {
        send(channel, MessageType.WATCH, path + "\0" + token + "\0");
        assertEquals("OK\0", receive(channel).text());
        assertEquals(path + "\0" + token + "\0", receive(channel).text());
    }

    private double gauge(String name) {
        return registry.get(name).gauge().value();
    }

    private double disconnected() {
        return registry.get("xen.xenstore.socket.disconnected").functionCounter().count();
    }

    private void assertBounded() {
        assertTrue(memory.used() <= LIMIT + SLACK, "held: " + memory.used());
    }

    @Test
    void clientsThatDoNotReadHoldNoMoreThanTheLimitTogether() throws Exception {
        SocketChannel lively = connect();
        watch(lively, "/", "t");
        int deaf = 4;
        for (int i = 0; i < deaf; i++) {
            SocketChannel channel = connect();
            for (int token = 0; token < 8; token++) {
                watch(channel, "/", "t" + token);
            }
        }
        String name = "n".repeat(2000);
        int written = 0;
        while (disconnected() < deaf) {
            String path = "/local/domain/3/" + name + written++;
            guest.write(path, "");
            guest.rm(path);
            do {
                assertBounded();
            } while (!receive(lively).text().startsWith(path + "\0"));
        }
        Eventually.holds("one connection is left", () -> gauge("xen.xenstore.connections") <= 1);
        assertEquals(1, server.access().store().watchCount());
        // What all of them would have been sent is far more, since they share it.
        long sent = 8L * written * deaf * name.length();
        assertTrue(sent > 10 * LIMIT, "disconnected after " + written + " changes");
    }

    @Test
    void clientThatIsFurthestBehindIsDisconnected() throws Exception {
        SocketChannel slow = connect();
        watch(slow, "/a/0", "t");
        SocketChannel deaf = connect();
        watch(deaf, "/", "t");
        for (int i = 0; disconnected() < 1; i++) {
            guest.write("/a/" + i % 2 + "/" + "x".repeat(1000) + i, "");
            assertBounded();
        }
        Eventually.holds("one connection is left", () -> gauge("xen.xenstore.connections") <= 1);
        guest.write("/a/0", "end");
        while (!receive(slow).text().equals("/a/0\0t\0")) {
            assertBounded();
        }
        Eventually.holds("nothing waits in memory", () -> memory.used() <= SLACK);
    }

    /// Output of requests that are sent ahead waits, too, and so do requests of which a part is missing.
    @Test
    void thousandsThatDoNotReadTheirRepliesAreBounded() throws Exception {
        guest.write("/v", "v".repeat(4000));
        byte[] request = RingEnd.message(MessageType.READ, 1, 0, "/v\0");
        ByteBuffer requests = ByteBuffer.allocate(1000 * request.length);
        while (requests.hasRemaining()) {
            requests.put(request);
        }
        for (int i = 0; i < 100; i++) {
            SocketChannel channel = connect();
            channel.configureBlocking(false);
            channel.write(requests.rewind());
            assertBounded();
        }
        SocketChannel lively = connect();
        while (disconnected() == 0) {
            lively.write(ByteBuffer.wrap(request));
            assertEquals(4000, receive(lively).text().length());
            assertBounded();
        }
    }

    /// A client that was behind gets every event in the order of the changes, and its reply after them.
    @Test
    void eventsThatWaitedComeInOrder() throws Exception {
        SocketChannel slow = connect();
        watch(slow, "/", "t");
        int changes = 2000;
        for (int i = 0; i < changes; i++) {
            guest.write("/a/" + "x".repeat(500) + i, "");
        }
        slow.write(ByteBuffer.wrap(RingEnd.message(MessageType.RM, 7, 0, "/a\0")));
        assertEquals("/a/" + "x".repeat(500) + "0\0t\0", receive(slow).text());
        for (int i = 1; i < changes; i++) {
            assertEquals("/a/" + "x".repeat(500) + i + "\0t\0", receive(slow).text());
        }
        assertEquals("/a\0t\0", receive(slow).text());
        assertEquals("OK\0", receive(slow).text());
    }
}
