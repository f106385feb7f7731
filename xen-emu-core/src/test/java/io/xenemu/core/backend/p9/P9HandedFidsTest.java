package io.xenemu.core.backend.p9;

import static io.xenemu.core.backend.p9.P9TestClient.ROOT;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.common.primitives.ImmutableIntArray;
import io.xenemu.core.host.HostBudget;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.file.OpenFlags;
import io.xenemu.kvm.file.RecordLock;
import io.xenemu.kvm.testing.SentDescriptors;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.UserDefinedFileAttributeView;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A mounted share goes to another process of the host with its open files, and nothing of them is lost.
final class P9HandedFidsTest {
    private static final int GETATTR_QID = 8 + 1 + 4;
    private static final byte SUCCESS = 0;
    private static final byte BLOCKED = 1;

    @TempDir private Path share;

    @SuppressWarnings("NullAway.Init")
    private P9TestClient client;

    @BeforeEach
    void fill() throws IOException {
        Files.createDirectories(share.resolve("a/b"));
        Files.writeString(share.resolve("a/b/f"), "text");
        client = P9TestClient.attached(server(P9Limits.DEFAULT));
    }

    private P9Server server(P9Limits limits) {
        return new P9Server(P9Export.plain(share, false, limits), P9Observer.NONE);
    }

    @AfterEach
    void end() {
        P9Server server = client.server;
        client.close();
        assertEquals(0, server.openFiles());
    }

    private static P9HandedFids.Given sent(P9HandedFids.Given given) throws IOException {
        return new P9HandedFids.Given(
                given.fids(), given.files(), SentDescriptors.of(given.descriptors()));
    }

    /// The client goes on with another server, which has what the one before had open.
    private void move(P9Limits limits) throws IOException {
        P9Server old = client.server;
        P9HandedFids.Given given = sent(old.handOver());
        int open = old.openFiles();
        int root = SentDescriptors.of(ImmutableIntArray.of(old.root())).get(0);
        int fids = old.fids();
        int agreed = old.msize();
        P9Server next = new P9Server(P9Export.plain(share, false, limits), P9Observer.NONE, root);
        next.connect(P9TestClient.MSIZE);
        try (P9Scratch scratch = new P9Scratch()) {
            next.take(scratch, agreed, given);
        }
        assertEquals(fids, next.fids());
        assertEquals(open, next.openFiles());
        assertEquals(open, given.descriptors().length());
        client.close();
        assertEquals(0, old.openFiles());
        client = new P9TestClient(next);
    }

    private void move() throws IOException {
        move(P9Limits.DEFAULT);
    }

    private long qid(int fid) {
        return client.ok(P9Operation.GETATTR, fid, -1L).body().getLong(GETATTR_QID);
    }

    @Test
    void filesGoOnThoughTheirNamesAreGone() throws IOException {
        client.open(1, OpenFlags.O_RDWR, "a", "b", "f");
        client.at(2, "a", "b", "f");
        client.at(3, "a", "b");
        List<Long> qids = List.of(qid(ROOT), qid(1), qid(2), qid(3));
        client.ok(P9Operation.UNLINKAT, 3, "f", 0);
        move();
        assertTrue(client.server.isMounted());
        assertEquals(qids, List.of(qid(ROOT), qid(1), qid(2), qid(3)));
        assertEquals("text", client.read(1));
        client.ok(P9Operation.WRITE, 1, 4L, 1, new byte[] {'s'});
        client.ok(P9Operation.LOPEN, 2, 0);
        assertEquals("texts", client.read(2));
        client.clunk(ROOT);
        assertEquals(false, client.server.isMounted());
    }

    @Test
    void theFolderGoesOnThoughItHasAnotherNameByNow() throws IOException {
        Path moved = share.resolveSibling(share.getFileName() + "-moved");
        Files.move(share, moved);
        try {
            move();
            client.open(1, 0, "a", "b", "f");
            assertEquals("text", client.read(1));
        } finally {
            Files.move(moved, share);
        }
    }

    private int lock(int fid, int type) {
        return client.ok(P9Operation.LOCK, fid, (byte) type, 0, 0L, 0L, 1, "guest").body().get(0);
    }

    /// A lock that ended for a moment could be taken by others.
    @Test
    void locksStayTaken() throws IOException {
        client.open(1, OpenFlags.O_RDWR, "a", "b", "f");
        client.open(2, 0, "a", "b", "f");
        Files.writeString(share.resolve("g"), "");
        // A lock for writing of a file that is open for reading has a descriptor of its own.
        client.open(3, 0, "g");
        assertEquals(SUCCESS, lock(1, RecordLock.F_WRLCK));
        assertEquals(SUCCESS, lock(3, RecordLock.F_WRLCK));
        assertEquals(BLOCKED, lock(2, RecordLock.F_RDLCK));
        move();
        client.open(4, OpenFlags.O_RDWR, "g");
        assertEquals(BLOCKED, lock(2, RecordLock.F_RDLCK));
        assertEquals(BLOCKED, lock(4, RecordLock.F_WRLCK));
        assertEquals(SUCCESS, lock(1, RecordLock.F_UNLCK));
        assertEquals(SUCCESS, lock(3, RecordLock.F_UNLCK));
        assertEquals(SUCCESS, lock(2, RecordLock.F_RDLCK));
        assertEquals(SUCCESS, lock(4, RecordLock.F_WRLCK));
    }

    @Test
    void aDirectoryThatIsHalfListedHasEachEntryOnce() throws IOException {
        List<String> expected = new ArrayList<>(List.of(".", "..", "f"));
        for (int i = 0; i < 500; i++) {
            expected.add("entry-" + i);
            Files.createFile(share.resolve("a/b/entry-" + i));
        }
        client.open(1, 0, "a", "b");
        List<String> names = new ArrayList<>();
        long at = list(names, 0, 5);
        move();
        list(names, at, Integer.MAX_VALUE);
        names.sort(null);
        expected.sort(null);
        assertEquals(expected, names);
    }

    private long list(List<String> names, long from, int answers) {
        long at = from;
        for (int i = 0; i < answers; i++) {
            List<P9TestClient.Entry> entries = client.entries(1, at, 1000);
            if (entries.isEmpty()) {
                return at;
            }
            entries.forEach(entry -> names.add(entry.name()));
            at = entries.getLast().next();
        }
        return at;
    }

    @Test
    void anAttributeThatIsHalfWrittenIsSet() throws IOException {
        client.open(1, OpenFlags.O_RDWR, "a", "b", "f");
        client.at(2, "a", "b", "f");
        client.ok(P9Operation.XATTRCREATE, 2, "user.new", 4L, 0);
        client.ok(P9Operation.WRITE, 2, 0L, 2, new byte[] {'a', 'b'});
        Files.delete(share.resolve("a/b/f"));
        move();
        client.ok(P9Operation.WRITE, 2, 2L, 2, new byte[] {'c', 'd'});
        client.clunk(2);
        client.ok(P9Operation.XATTRWALK, 1, 3, "user.new");
        assertEquals("abcd", client.read(3));
        move();
        assertEquals("abcd", client.read(3));
    }

    @Test
    void twoFidsOfOnePlaceAreOneDescriptor() throws IOException {
        client.at(1, "a", "b", "f");
        client.ok(P9Operation.WALK, 1, 2, (short) 0);
        client.ok(P9Operation.XATTRCREATE, 2, "user.new", 1L, 0);
        move();
        client.clunk(1);
        client.ok(P9Operation.WRITE, 2, 0L, 1, new byte[] {'a'});
        client.clunk(2);
        UserDefinedFileAttributeView view =
                Files.getFileAttributeView(
                        share.resolve("a/b/f"), UserDefinedFileAttributeView.class);
        assertEquals(1, view.read("new", ByteBuffer.allocate(8)));
    }

    @Test
    void parkedFidsGoOn() throws IOException {
        P9Limits limits = new P9Limits(2000, P9Limits.MIN_DESCRIPTORS);
        client.close();
        client = P9TestClient.attached(server(limits));
        for (int i = 0; i < 500; i++) {
            Files.writeString(share.resolve("f" + i), "" + i);
            client.at(i + 1000, "f" + i);
        }
        move(limits);
        client.ok(P9Operation.RENAMEAT, ROOT, "f7", ROOT, "renamed");
        for (int i = 0; i < 500; i++) {
            client.ok(P9Operation.LOPEN, i + 1000, 0);
            assertEquals("" + i, client.read(i + 1000));
            client.clunk(i + 1000);
        }
    }

    @Test
    void aFidThatIsStaleStaysSo() throws IOException {
        client.open(1, 0, "a", "b", "f");
        try (P9Scratch scratch = new P9Scratch()) {
            List<P9State.Fid> saved = client.server.save(scratch);
            client.close();
            Files.delete(share.resolve("a/b/f"));
            P9Server next = server(P9Limits.DEFAULT);
            next.connect(P9TestClient.MSIZE);
            assertEquals(1, next.restore(scratch, P9TestClient.MSIZE, saved));
            client = new P9TestClient(next);
        }
        move();
        client.fails(Errno.ESTALE, P9Operation.READ, 1, 0L, 9);
    }

    /// The guest's share of a process with fewer descriptors may be smaller. Then the old process goes on.
    @Test
    void moreDescriptorsThanTheGuestMayHaveAreRefusedAndClosed() throws IOException {
        for (int i = 0; i < 5; i++) {
            client.open(1 + i, 0, "a", "b", "f");
        }
        P9HandedFids.Given given = sent(client.server.handOver());
        try (P9Scratch scratch = new P9Scratch();
                P9Server next = server(P9Limits.DEFAULT)) {
            next.charge(
                    new HostBudget("descriptors", "open", Errno.EMFILE, "a test", 3).open(0, 3));
            assertThrows(KvmException.class, () -> next.take(scratch, P9TestClient.MSIZE, given));
            next.disconnect();
            assertEquals(0, next.openFiles());
            for (int fd : given.descriptors().asList()) {
                assertEquals(-Errno.EBADF, scratch.files.status(fd, scratch.status));
            }
        }
        assertEquals("text", client.read(1));
    }
}
