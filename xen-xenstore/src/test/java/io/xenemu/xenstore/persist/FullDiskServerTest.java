package io.xenemu.xenstore.persist;

import static io.xenemu.xenstore.SocketPeer.receiveText;
import static io.xenemu.xenstore.SocketPeer.send;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.testing.Eventually;
import io.xenemu.xenstore.XenStoreServer;
import io.xenemu.xenstore.client.XenStoreClient;
import io.xenemu.xenstore.metrics.XenStoreMetrics;
import io.xenemu.xenstore.quota.Quotas;
import io.xenemu.xenstore.ring.GuestDomains;
import io.xenemu.xenstore.tree.Permissions;
import io.xenemu.xenstore.wire.MessageType;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// A server whose file is on a disk without room serves, and refuses what would change the store.
@Timeout(60)
class FullDiskServerTest {
    @TempDir
    @SuppressWarnings("NullAway.Init")
    Path folder;

    private final SmallDisk disk = new SmallDisk(1 << 30);

    @SuppressWarnings("NullAway.Init")
    private Journal journal;

    @SuppressWarnings("NullAway.Init")
    private XenStoreServer server;

    private static void unexpected(IOException failure) {
        throw new IllegalStateException(failure);
    }

    @BeforeEach
    void start() throws IOException {
        journal =
                Journal.open(
                        folder.resolve("store"),
                        new JournalMetrics(new SimpleMeterRegistry()),
                        disk);
        server =
                new XenStoreServer(
                        Quotas.DEFAULT,
                        GuestDomains.NONE,
                        new XenStoreMetrics(new SimpleMeterRegistry()),
                        Runnable::run);
        server.persist(journal, FullDiskServerTest::unexpected);
        server.listen(folder.resolve("socket"));
    }

    @AfterEach
    void stop() throws IOException {
        server.close();
        journal.close();
    }

    private SocketChannel connect() throws IOException {
        return SocketChannel.open(UnixDomainSocketAddress.of(folder.resolve("socket")));
    }

    /// Writes until the room that the file has is taken.
    private static void fill(SocketChannel channel) throws IOException {
        String reply = "OK\0";
        for (int i = 0; reply.equals("OK\0"); i++) {
            send(channel, MessageType.WRITE, "/fill\0" + i + "x".repeat(3000));
            reply = receiveText(channel);
        }
        assertEquals("ENOSPC\0", reply);
    }

    @Test
    void changesAreEnospcAndAllOtherRequestsAreServed() throws Exception {
        XenStoreClient client = server.client();
        client.write("/a/b", "kept");
        disk.free(0);
        try (SocketChannel channel = connect()) {
            fill(channel);
            String large = "x".repeat(3000);
            assertEquals(
                    XenError.ENOSPC, assertThrows(XenError.class, () -> client.write("/c", large)));
            send(channel, MessageType.READ, "/a/b\0");
            assertEquals("kept", receiveText(channel));
            send(channel, MessageType.WATCH, "/a\0t\0");
            assertEquals("OK\0", receiveText(channel));
            assertEquals("/a\0t\0", receiveText(channel));
            assertEquals(
                    XenError.ENOSPC,
                    assertThrows(
                            XenError.class,
                            () ->
                                    client.transaction(view -> {
                                        view.write("/c", large);
                                        view.write("/d", large);
                                        return "";
                                    })));
            assertEquals("kept", client.transaction(view -> view.read("/a/b")));
            assertEquals(
                    XenError.ENOSPC,
                    assertThrows(
                            XenError.class,
                            () ->
                                    client.setPermissions(
                                            "@releaseDomain", Permissions.of("n0", "r7"))));
            assertEquals(List.of("a", "fill"), client.list("/"));
            disk.free(1 << 20);
            send(channel, MessageType.WRITE, "/a/b\0after");
            assertEquals("/a/b\0t\0", receiveText(channel));
            assertEquals("OK\0", receiveText(channel));
        }
    }

    @Test
    void successorStartsOnAFullDiskAndHasAllAcknowledgedChanges() throws Exception {
        server.client().write("/a/b", "kept");
        disk.free(0);
        try (SocketChannel channel = connect()) {
            fill(channel);
        }
        String last = server.client().read("/fill");
        stop();
        disk.free(0);
        start();
        assertEquals("kept", server.client().read("/a/b"));
        assertEquals(last, server.client().read("/fill"));
        assertEquals(
                XenError.ENOSPC,
                assertThrows(XenError.class, () -> server.client().write("/c", "")));
        disk.free(1 << 20);
        server.client().write("/c", "");
    }

    /// No client is answered before the change is known to be kept. Other clients, whose answers might show it, wait
    /// too.
    @Test
    void replyWaitsForRoomWhereTheFileSystemDoesNotKeepReservedRoom() throws Exception {
        try (SocketChannel channel = connect();
                SocketChannel other = connect()) {
            send(channel, MessageType.WRITE, "/a\0one");
            assertEquals("OK\0", receiveText(channel));
            disk.copyOnWrite();
            disk.free(0);
            send(channel, MessageType.WRITE, "/a\0two");
            long before = Files.size(folder.resolve("store"));
            // what is left of the attempt is cut off when it is tried again
            Eventually.holds(
                    "an attempt to write", () -> Files.size(folder.resolve("store")) != before);
            send(other, MessageType.READ, "/a\0");
            channel.configureBlocking(false);
            other.configureBlocking(false);
            Thread.sleep(300);
            assertEquals(0, channel.read(ByteBuffer.allocate(1)));
            assertEquals(0, other.read(ByteBuffer.allocate(1)));
            channel.configureBlocking(true);
            other.configureBlocking(true);
            disk.free(1 << 20);
            assertEquals("OK\0", receiveText(channel));
            assertEquals("two", receiveText(other));
        }
    }
}
