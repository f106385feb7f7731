package io.xenemu.core.backend.p9;

import static io.xenemu.core.backend.p9.P9TestClient.ROOT;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.toolstack.P9Quota;
import io.xenemu.core.toolstack.P9SecurityModel;
import io.xenemu.core.toolstack.P9Spec;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.file.OpenFlags;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.WireException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.UserDefinedFileAttributeView;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.OptionalInt;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A mounted share is saved with its fids, and goes on in another service: each file is opened again by its path, and
/// a file that is not the same any more is ESTALE on its own fid.
final class P9SavedFidsTest {
    private static final int GETATTR_QID = 8 + 1 + 4;

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

    /// The client goes on with another server, which was made from the state of the one before.
    ///
    /// @return fids that are ESTALE
    private int move(HostChange meanwhile) throws IOException {
        P9Server old = client.server;
        byte[] saved;
        try (P9Scratch scratch = new P9Scratch()) {
            P9State state =
                    new P9State(
                            new P9Spec(
                                    OptionalInt.of(0),
                                    "t",
                                    share.toString(),
                                    false,
                                    P9SecurityModel.NONE,
                                    OptionalInt.empty(),
                                    P9Quota.NONE,
                                    "0"),
                            new P9State.Connection(
                                    P9TestClient.MSIZE,
                                    old.msize(),
                                    List.of(
                                            new P9State.Ring(
                                                    1,
                                                    List.of(2, 3),
                                                    4,
                                                    new P9State.Queue(0, 0, false))),
                                    List.of(),
                                    old.save(scratch)));
            saved = P9StateCodec.encode(state).toBytes();
        }
        int before = old.fids();
        client.close();
        assertEquals(0, old.openFiles());
        meanwhile.run();
        P9Server next = server(P9Limits.DEFAULT);
        next.connect(P9TestClient.MSIZE);
        client = new P9TestClient(next);
        try (P9Scratch scratch = new P9Scratch()) {
            P9State.Connection read =
                    Objects.requireNonNull(
                            P9StateCodec.decode(P9StateCodec.VERSION, new BodyReader(saved))
                                    .connection());
            int stale = next.restore(scratch, read.msize(), read.fids());
            assertEquals(before, next.fids());
            return stale;
        } catch (WireException e) {
            throw new AssertionError(e);
        }
    }

    private interface HostChange {
        void run() throws IOException;
    }

    private long qid(int fid) {
        return client.ok(P9Operation.GETATTR, fid, -1L).body().getLong(GETATTR_QID);
    }

    @Test
    void filesThatAreOpenGoOn() throws IOException {
        client.open(1, OpenFlags.O_RDWR, "a", "b", "f");
        client.at(2, "a", "b");
        client.at(3);
        client.ok(P9Operation.LCREATE, 3, "log", OpenFlags.O_WRONLY | OpenFlags.O_APPEND, 0600, -1);
        client.ok(P9Operation.WRITE, 3, 0L, 2, new byte[] {'1', '2'});
        List<Long> qids = List.of(qid(ROOT), qid(1), qid(2), qid(3));

        assertEquals(0, move(() -> {}));

        assertTrue(client.server.isMounted());
        assertEquals(qids, List.of(qid(ROOT), qid(1), qid(2), qid(3)));
        assertEquals("text", client.read(1));
        client.ok(P9Operation.WRITE, 1, 4L, 1, new byte[] {'s'});
        client.ok(P9Operation.WRITE, 3, 0L, 1, new byte[] {'3'});
        assertEquals("texts", Files.readString(share.resolve("a/b/f")));
        assertEquals("123", Files.readString(share.resolve("log")), "it still appends");
        assertEquals(0, client.walkFrom(2, 4, "f").errno());
        client.fails(Errno.EBADF, P9Operation.READ, 3, 0L, 9);
        client.clunk(ROOT);
        assertEquals(false, client.server.isMounted());
    }

    @Test
    void aDirectoryThatIsHalfListedHasEachEntryOnce() throws IOException {
        List<String> expected = new ArrayList<>(List.of(".", ".."));
        for (int i = 0; i < 500; i++) {
            expected.add("entry-" + i);
            Files.createFile(share.resolve("a/b/entry-" + i));
        }
        expected.add("f");
        client.open(1, 0, "a", "b");
        List<String> names = new ArrayList<>();
        long at = list(names, 0, 5);
        assertEquals(0, move(() -> {}));
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
    void aFileThatWasReplacedIsStaleOnItsFidAlone() throws IOException {
        Files.writeString(share.resolve("g"), "other");
        client.open(1, 0, "a", "b", "f");
        client.at(2, "a", "b", "f");
        client.open(3, 0, "g");
        Path copy = Files.writeString(share.resolve("copy"), "text");

        int stale =
                move(() ->
                        Files.move(
                                copy, share.resolve("a/b/f"), StandardCopyOption.REPLACE_EXISTING));

        assertEquals(2, stale);
        client.fails(Errno.ESTALE, P9Operation.READ, 1, 0L, 9);
        client.fails(Errno.ESTALE, P9Operation.FSYNC, 1, 0);
        client.fails(Errno.ESTALE, P9Operation.WRITE, 1, 0L, 1, new byte[1]);
        client.fails(Errno.ESTALE, P9Operation.LOPEN, 2, 0);
        client.fails(Errno.ESTALE, P9Operation.GETATTR, 2, -1L);
        client.fails(Errno.ESTALE, P9Operation.WALK, 2, 9, (short) 0);
        assertEquals("other", client.read(3));
        client.clunk(1);
        client.clunk(2);
        client.at(1, "a", "b", "f");
        // Saved again, what is stale stays so.
        client.clunk(1);
    }

    @Test
    void removedFilesAndFilesThatAreGoneAreStale() throws IOException {
        Files.writeString(share.resolve("gone"), "x");
        client.open(1, OpenFlags.O_RDWR, "a", "b", "f");
        client.ok(P9Operation.UNLINKAT, client.at(2, "a", "b"), "f", 0);
        client.at(3, "gone");
        assertEquals("text", client.read(1), "a removed file is there as long as it is open");
        assertEquals(2, move(() -> Files.delete(share.resolve("gone"))));
        client.fails(Errno.ESTALE, P9Operation.READ, 1, 0L, 9);
        client.fails(Errno.ESTALE, P9Operation.GETATTR, 3, -1L);
        assertEquals(2, move(() -> {}), "what is stale stays so");
        client.fails(Errno.ESTALE, P9Operation.READ, 1, 0L, 9);
    }

    @Test
    void attributesGoOn() throws IOException {
        UserDefinedFileAttributeView view =
                Files.getFileAttributeView(
                        share.resolve("a/b/f"), UserDefinedFileAttributeView.class);
        view.write("old", ByteBuffer.wrap(new byte[] {1, 2, 3}));
        client.at(1, "a", "b", "f");
        client.ok(P9Operation.XATTRWALK, 1, 2, "user.old");
        client.ok(P9Operation.XATTRCREATE, 1, "user.new", 4L, 0);
        client.ok(P9Operation.WRITE, 1, 0L, 2, new byte[] {'a', 'b'});

        assertEquals(0, move(() -> view.delete("old")));

        assertEquals("\1\2\3", client.read(2));
        client.ok(P9Operation.WRITE, 1, 2L, 2, new byte[] {'c', 'd'});
        client.clunk(1);
        ByteBuffer value = ByteBuffer.allocate(8);
        assertEquals(4, view.read("new", value));
        assertEquals('d', value.get(3));
    }

    /// Fids that gave their descriptors back are saved by the paths that they keep; and more fids than descriptors are
    /// restored.
    @Test
    void parkedFidsGoOn() throws IOException {
        client.close();
        client = P9TestClient.attached(server(new P9Limits(2000, P9Limits.MIN_DESCRIPTORS)));
        for (int i = 0; i < 1000; i++) {
            Files.writeString(share.resolve("f" + i), "" + i);
            client.at(i + 1000, "f" + i);
        }
        assertEquals(0, move(() -> {}));
        for (int i = 0; i < 1000; i++) {
            client.ok(P9Operation.LOPEN, i + 1000, 0);
            assertEquals("" + i, client.read(i + 1000));
            client.clunk(i + 1000);
        }
    }

    /// The name of a removed file ends in ` (deleted)` for the kernel, as another file's may.
    @Test
    void aFileWithTheNameOfARemovedOneIsNotIt() throws IOException {
        client.open(1, 0, "a", "b", "f");
        Files.delete(share.resolve("a/b/f"));
        Files.writeString(share.resolve("a/b/f (deleted)"), "another");
        assertEquals(1, move(() -> {}));
        client.fails(Errno.ESTALE, P9Operation.READ, 1, 0L, 9);
    }

    /// Linux takes both bits of the access for a third kind, which no open of a guest has.
    @Test
    void anOpenThatNeitherReadsNorWritesIsStale() {
        client.open(1, OpenFlags.O_RDWR, "a", "b", "f");
        try (P9Scratch scratch = new P9Scratch();
                P9Server next = server(P9Limits.DEFAULT)) {
            List<P9State.Fid> saved =
                    client.server.save(scratch).stream()
                            .filter(fid -> fid.fid() == 1)
                            .map(fid -> withFlags(fid, OpenFlags.O_ACCMODE))
                            .toList();
            assertEquals(1, saved.size());
            assertEquals(1, next.restore(scratch, P9TestClient.MSIZE, saved));
            assertEquals(0, next.openFiles());
        }
    }

    private static P9State.Fid withFlags(P9State.Fid fid, int flags) {
        return new P9State.Fid(
                fid.fid(), fid.isRoot(), fid.uid(), fid.file(), new P9State.Use.Open(flags));
    }

    @Test
    void fidsBeyondTheLimitOfAStateAreStale() throws IOException {
        String name = "n".repeat(245);
        List<String> names = new ArrayList<>();
        Path deep = share;
        for (int depth = 0; depth < 14; depth++) {
            names.add(name);
            deep = deep.resolve(name);
        }
        Files.createDirectories(deep);
        int fids = 330;
        for (int fid = 1001; fid <= 1000 + fids; fid++) {
            client.at(fid, names.toArray(String[]::new));
        }
        int stale = move(() -> {});
        assertTrue(stale > 0 && stale < fids / 2, stale + " are stale");
        client.ok(P9Operation.GETATTR, 1001, -1L);
        client.fails(Errno.ESTALE, P9Operation.GETATTR, 1000 + fids, -1L);
    }
}
