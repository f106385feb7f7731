package io.xenemu.xenstore;

import static io.xenemu.xenstore.SocketPeer.read;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.xenstore.client.XenStoreClient;
import io.xenemu.xenstore.persist.Journal;
import io.xenemu.xenstore.persist.JournalMetrics;
import io.xenemu.xenstore.socket.SocketTransport;
import io.xenemu.xenstore.tree.Permissions;
import io.xenemu.xenstore.wire.MessageHeader;
import io.xenemu.xenstore.wire.MessageType;
import java.io.ByteArrayOutputStream;
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

/// A server that keeps its store in a file, and its successors.
@Timeout(60)
class PersistTest {
    private static void unexpected(IOException failure) {
        throw new IllegalStateException(failure);
    }

    @TempDir
    @SuppressWarnings("NullAway.Init")
    Path folder;

    private final SimpleMeterRegistry registry = new SimpleMeterRegistry();

    @SuppressWarnings("NullAway.Init")
    private Rig rig;

    @SuppressWarnings("NullAway.Init")
    private Journal journal;

    @BeforeEach
    void start() throws IOException {
        rig = new Rig();
        journal = Journal.open(folder.resolve("store"), new JournalMetrics(registry));
        rig.server.persist(journal, PersistTest::unexpected);
        rig.server.listen(folder.resolve("socket"));
    }

    @AfterEach
    void stop() throws IOException {
        rig.close();
        journal.close();
    }

    private void restart() throws IOException {
        stop();
        start();
    }

    private SocketChannel connect() throws IOException {
        return SocketChannel.open(UnixDomainSocketAddress.of(folder.resolve("socket")));
    }

    private long commits() {
        return registry.get("xen.xenstore.persist.commit").timer().count();
    }

    @Test
    void successorHasNodesPermissionsAndOrder() throws Exception {
        rig.existing.add(new io.xenemu.kvm.abi.DomId(5));
        XenStoreClient client = rig.server.client();
        client.write("/z", "1");
        client.write("/a/b", "two");
        client.setPermissions("/a", Permissions.of("n5", "r3"));
        client.setPermissions("@releaseDomain", Permissions.of("n0", "r7"));
        client.write("/gone/deep", "");
        client.rm("/gone");
        restart();
        XenStoreClient after = rig.server.client();
        assertEquals(List.of("z", "a"), after.list("/"));
        assertEquals("two", after.read("/a/b"));
        assertEquals(Permissions.of("n5", "r3"), after.permissions("/a"));
        assertEquals(Permissions.of("n0", "r7"), after.permissions("@releaseDomain"));
        after.write("/new", "");
        restart();
        assertEquals(List.of("z", "a", "new"), rig.server.client().list("/"));
    }

    @Test
    void replyMeansThatItIsInTheFile() throws Exception {
        try (SocketChannel channel = connect()) {
            for (int i = 0; i < 20; i++) {
                byte[] request = RingEnd.message(MessageType.WRITE, 1, 0, "/a\0value" + i);
                channel.write(ByteBuffer.wrap(request));
                read(channel, MessageHeader.SIZE + 3);
                Path copy = Files.copy(folder.resolve("store"), folder.resolve("copy" + i));
                try (Journal known = Journal.open(copy, new JournalMetrics(registry));
                        Rig other = new Rig()) {
                    other.server.persist(known, PersistTest::unexpected);
                    assertEquals("value" + i, other.server.client().read("/a"));
                }
            }
        }
    }

    /// One commit, or two, where nothing else runs. A turn is limited in time: on a busy machine it may serve one
    /// request.
    @Test
    void requestsThatComeTogetherShareCommits() throws Exception {
        int count = 100;
        long before = commits();
        ByteArrayOutputStream requests = new ByteArrayOutputStream();
        for (int i = 0; i < count; i++) {
            requests.writeBytes(RingEnd.message(MessageType.WRITE, 1, 0, "/n" + i + "\0v"));
        }
        try (SocketChannel channel = connect()) {
            channel.write(ByteBuffer.wrap(requests.toByteArray()));
            read(channel, count * (MessageHeader.SIZE + 3));
        }
        long commits = commits() - before;
        assertTrue(commits <= count / SocketTransport.ROUNDS_PER_COMMIT + 1, "commits: " + commits);
    }

    @Test
    void readingCostsNoCommit() throws Exception {
        long before = commits();
        try (SocketChannel channel = connect()) {
            channel.write(ByteBuffer.wrap(RingEnd.message(MessageType.READ, 1, 0, "/\0")));
            read(channel, MessageHeader.SIZE);
        }
        assertEquals(before, commits());
    }

    @Test
    void persistingAfterTheSocketIsServedIsRefused() throws IOException {
        assertThrows(
                IllegalStateException.class,
                () -> rig.server.persist(journal, PersistTest::unexpected));
    }
}
