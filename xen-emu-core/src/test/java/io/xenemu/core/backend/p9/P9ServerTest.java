package io.xenemu.core.backend.p9;

import static io.xenemu.core.backend.p9.P9TestClient.ROOT;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.backend.p9.P9TestClient.Answer;
import io.xenemu.core.backend.p9.P9TestClient.Entry;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.file.OpenFlags;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Each message of 9P2000.L, on real files.
final class P9ServerTest {
    private static final int GID = -1;

    @TempDir private Path folder;
    private Path share;
    private P9TestClient client;

    @BeforeEach
    void attach() throws IOException {
        share = Files.createDirectory(folder.resolve("share"));
        client = P9TestClient.attached(server(false, P9Limits.DEFAULT));
    }

    @AfterEach
    void end() {
        P9Server server = client.server;
        client.close();
        assertEquals(0, server.openFiles(), "descriptors are left");
        assertEquals(0, server.fids());
    }

    private P9Server server(boolean readOnly, P9Limits limits) {
        return new P9Server(P9Export.plain(share, readOnly, limits), P9Observer.NONE);
    }

    @Test
    void versionIsAgreedOnAndDropsTheSessionBefore() {
        assertTrue(client.server.isMounted());

        Answer answer = client.ok(P9Operation.VERSION, 1 << 30, "9P2000.L");

        assertEquals(P9TestClient.MSIZE, answer.body().getInt());
        assertEquals("9P2000.L", answer.string());
        assertFalse(client.server.isMounted());
        client.fails(Errno.EBADF, P9Operation.GETATTR, ROOT, -1L);
    }

    @Test
    void anotherDialectIsUnknownAndAServerWithoutVersionServesNothing() {
        Answer answer = client.ok(P9Operation.VERSION, 8192, "9P2000.u");
        answer.body().getInt();
        assertEquals("unknown", answer.string());
        client.fails(Errno.EPROTO, P9Operation.ATTACH, ROOT, -1, "root", "", 0);
        client.fails(Errno.EMSGSIZE, P9Operation.VERSION, 4095, "9P2000.L");
        client.fails(Errno.EPROTO, P9Operation.CLUNK, ROOT);
    }

    @Test
    void authIsNotSupportedAndUnknownNumbersToo() {
        client.fails(Errno.EOPNOTSUPP, P9Operation.AUTH, 1, "root", "", 0);
        assertEquals(Errno.EOPNOTSUPP, client.send(P9TestClient.bytes(99, 1, new byte[4])).errno());
        assertEquals(
                Errno.EOPNOTSUPP, client.send(P9TestClient.bytes(255, 1, new byte[4])).errno());
        client.ok(P9Operation.FLUSH, (short) 3);
    }

    @Test
    void attachGivesTheRootAndKnowsNoOtherTree() {
        client.ok(P9Operation.ATTACH, 1, -1, "root", "/", 0);
        client.fails(Errno.ENOENT, P9Operation.ATTACH, 2, -1, "root", "/etc", 0);
        client.fails(Errno.EBADF, P9Operation.ATTACH, 1, -1, "root", "", 0);
        client.clunk(ROOT);
        assertTrue(client.server.isMounted());
        client.clunk(1);
        assertFalse(client.server.isMounted());
    }

    @Test
    void walkStopsAtTheFirstMissingName() throws IOException {
        Files.createDirectories(share.resolve("a/b"));

        assertEquals(Errno.ENOENT, client.walk(1, "no").errno());
        Answer partial = client.walk(1, "a", "b", "no");
        assertEquals(2, partial.body().getShort());
        client.fails(Errno.EBADF, P9Operation.CLUNK, 1);
        client.at(1, "a", "b");
        assertEquals(Errno.EBADF, client.walk(1, "a").errno(), "the fid is taken");
        assertEquals(Errno.EBADF, client.walkFrom(77, 2).errno());
        client.fails(Errno.EINVAL, P9Operation.WALK, ROOT, 2, (short) 17);
    }

    @Test
    void walkToTheSameFidMovesIt() throws IOException {
        Files.writeString(Files.createDirectory(share.resolve("a")).resolve("f"), "text");
        client.at(1);
        assertEquals(0, client.walkFrom(1, 1, "a", "f").errno());
        client.ok(P9Operation.LOPEN, 1, 0);
        assertEquals("text", client.read(1));
    }

    @Test
    void cloneOfAnOpenFidIsNotOpen() throws IOException {
        Files.writeString(share.resolve("f"), "text");
        client.open(1, 0, "f");
        assertEquals(0, client.walkFrom(1, 2).errno());
        client.fails(Errno.EBADF, P9Operation.READ, 2, 0L, 10);
        client.ok(P9Operation.LOPEN, 2, 0);
        client.clunk(1);
        assertEquals("text", client.read(2));
    }

    @Test
    void fileIsCreatedWrittenReadAndTruncated() throws IOException {
        client.at(1);
        client.ok(
                P9Operation.LCREATE,
                1,
                "f",
                OpenFlags.O_RDWR | OpenFlags.O_CREAT | OpenFlags.O_EXCL,
                0666,
                GID);
        assertEquals(
                5, client.ok(P9Operation.WRITE, 1, 0L, 5, "hello".getBytes(UTF_8)).body().getInt());
        assertEquals("hello", client.read(1));
        assertEquals("llo", new String(client.ok(P9Operation.READ, 1, 2L, 100).data(), UTF_8));
        client.ok(P9Operation.FSYNC, 1, 0);
        client.ok(P9Operation.FSYNC, 1, 1);
        assertEquals("hello", Files.readString(share.resolve("f")));
        assertEquals(
                "rw-rw-rw-",
                PosixFilePermissions.toString(Files.getPosixFilePermissions(share.resolve("f"))),
                "the service's umask does not count");

        client.open(2, OpenFlags.O_WRONLY | OpenFlags.O_TRUNC, "f");
        assertEquals("", client.read(1));
        client.fails(Errno.EBADF, P9Operation.READ, 2, 0L, 1);
    }

    @Test
    void createOfAnExistingFileOpensItUnlessExclusive() throws IOException {
        Files.writeString(share.resolve("f"), "old");
        client.at(1);
        client.fails(
                Errno.EEXIST,
                P9Operation.LCREATE,
                1,
                "f",
                OpenFlags.O_RDWR | OpenFlags.O_EXCL,
                0644,
                GID);
        client.ok(P9Operation.LCREATE, 1, "f", OpenFlags.O_RDWR, 0644, GID);
        assertEquals("old", client.read(1));
        client.fails(Errno.EINVAL, P9Operation.LCREATE, 1, "g", 0, 0644, GID);
    }

    @Test
    void directoryHasEachEntryOnceHoweverSmallTheAnswers() throws IOException {
        Set<String> expected = new HashSet<>(Set.of(".", ".."));
        for (int i = 0; i < 500; i++) {
            String name = "entry-with-a-name-of-some-length-" + i;
            Files.createFile(share.resolve(name));
            expected.add(name);
        }
        for (int count : List.of(60, 100, 1000, P9TestClient.MSIZE)) {
            client.open(1, OpenFlags.O_DIRECTORY);
            List<String> names = new ArrayList<>();
            long offset = 0;
            List<Entry> some = client.entries(1, offset, count);
            while (!some.isEmpty()) {
                some.forEach(entry -> names.add(entry.name()));
                offset = some.getLast().next();
                some = client.entries(1, offset, count);
            }
            assertEquals(expected.size(), names.size(), "by " + count);
            assertEquals(expected, new HashSet<>(names));
            assertTrue(client.entries(1, 0, count).size() > 0, "from the start again");
            client.clunk(1);
        }
        client.open(1, 0);
        client.entries(1, 0, 60);
        client.fails(Errno.EINVAL, P9Operation.READDIR, 1, 0L, 10);
        client.fails(Errno.EISDIR, P9Operation.READ, 1, 0L, 10);
    }

    @Test
    void parentOfTheRootIsTheRootItself() {
        client.open(1, 0);
        List<Entry> entries = client.entries(1, 0, 4096);
        assertEquals(
                entries.stream().filter(e -> e.name().equals(".")).toList().getFirst().inode(),
                entries.stream().filter(e -> e.name().equals("..")).toList().getFirst().inode());
    }

    @Test
    void statusIsTheHosts() throws IOException {
        Path file = Files.writeString(share.resolve("f"), "12345");
        Files.setLastModifiedTime(file, FileTime.fromMillis(1_234_567_890_123L));
        ByteBuffer status = client.ok(P9Operation.GETATTR, client.at(1, "f"), -1L).body();

        assertEquals(0x7ff, status.getLong() & 0x7ff);
        assertEquals(0, status.get());
        status.getInt();
        assertEquals((long) Files.getAttribute(file, "unix:ino"), status.getLong());
        assertEquals((int) Files.getAttribute(file, "unix:mode"), status.getInt());
        assertEquals((int) Files.getAttribute(file, "unix:uid"), status.getInt());
        assertEquals((int) Files.getAttribute(file, "unix:gid"), status.getInt());
        assertEquals(1, status.getLong());
        assertEquals(0, status.getLong());
        assertEquals(5, status.getLong());
        assertTrue(status.getLong() > 0);
        assertEquals(8, status.getLong());
        status.getLong();
        status.getLong();
        assertEquals(1_234_567_890L, status.getLong());
        assertEquals(123_000_000L, status.getLong());
    }

    @Test
    void attributesAreSet() throws IOException {
        Path file = Files.writeString(share.resolve("f"), "12345");
        client.at(1, "f");
        setattr(1, 0x1, 0640, 0, 0);
        assertEquals(
                "rw-r-----", PosixFilePermissions.toString(Files.getPosixFilePermissions(file)));
        setattr(1, 0x8, 0, 2, 0);
        assertEquals("12", Files.readString(file));
        setattr(1, 0x20 | 0x100, 0, 0, 1_000_000_000L);
        assertEquals(1_000_000_000L, Files.getLastModifiedTime(file).toMillis() / 1000);
        setattr(1, 0x20, 0, 0, 0);
        assertNotEquals(1_000_000_000L, Files.getLastModifiedTime(file).toMillis() / 1000);
        setattr(1, 0x2 | 0x4, 0, 0, 0);
        client.fails(Errno.EINVAL, P9Operation.SETATTR, 1, 0x8000, 0, 0, 0, 0L, 0L, 0L, 0L, 0L);
    }

    private void setattr(int fid, int valid, int mode, long size, long modified) {
        int uid = (int) unix("uid");
        int gid = (int) unix("gid");
        client.ok(P9Operation.SETATTR, fid, valid, mode, uid, gid, size, 0L, 0L, modified, 0L);
    }

    private Object unix(String name) {
        try {
            return Files.getAttribute(share, "unix:" + name);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void namesAreMadeLinkedRenamedAndRemoved() throws IOException {
        client.ok(P9Operation.MKDIR, ROOT, "d", 0777, GID);
        assertEquals(
                "rwxrwxrwx",
                PosixFilePermissions.toString(Files.getPosixFilePermissions(share.resolve("d"))));
        client.ok(P9Operation.MKNOD, ROOT, "f", OpenFlags.S_IFREG | 0600, 0, 0, GID);
        client.ok(P9Operation.MKNOD, ROOT, "fifo", OpenFlags.S_IFIFO | 0600, 0, 0, GID);
        client.fails(
                Errno.EPERM, P9Operation.MKNOD, ROOT, "null", OpenFlags.S_IFCHR | 0600, 1, 3, GID);
        client.ok(P9Operation.SYMLINK, ROOT, "s", "../f", GID);
        assertEquals("../f", client.ok(P9Operation.READLINK, client.at(1, "s")).string());
        client.fails(Errno.EINVAL, P9Operation.READLINK, ROOT);
        client.at(2, "d");
        client.at(3, "f");
        client.ok(P9Operation.LINK, 2, 3, "g");
        assertEquals(
                (long) Files.getAttribute(share.resolve("f"), "unix:ino"),
                Files.getAttribute(share.resolve("d/g"), "unix:ino"));
        client.ok(P9Operation.LINK, 2, 1, "link-to-link");
        assertTrue(Files.isSymbolicLink(share.resolve("d/link-to-link")));
        client.ok(P9Operation.UNLINKAT, 2, "link-to-link", 0);

        client.ok(P9Operation.RENAMEAT, ROOT, "f", 2, "h");
        client.ok(P9Operation.RENAME, 3, ROOT, "f2");
        assertTrue(Files.exists(share.resolve("f2")));
        client.fails(Errno.EBUSY, P9Operation.RENAME, ROOT, 2, "root");

        client.fails(Errno.EISDIR, P9Operation.UNLINKAT, ROOT, "d", 0);
        client.fails(Errno.EINVAL, P9Operation.UNLINKAT, ROOT, "d", 1);
        client.ok(P9Operation.UNLINKAT, 2, "g", 0);
        client.ok(P9Operation.REMOVE, 3);
        client.fails(Errno.EBADF, P9Operation.CLUNK, 3);
        client.ok(P9Operation.REMOVE, 2);
        assertEquals(List.of("fifo", "s"), names(share));
    }

    private static List<String> names(Path folder) throws IOException {
        try (var files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    @Test
    void removeTakesTheFileWhereverItIsNow() throws IOException {
        Files.createDirectory(share.resolve("d"));
        Files.writeString(share.resolve("f"), "");
        client.at(1, "f");
        Files.move(share.resolve("f"), share.resolve("d/g"));
        Files.writeString(share.resolve("f"), "another one");
        client.ok(P9Operation.REMOVE, 1);
        assertEquals(List.of(), names(share.resolve("d")));
        assertEquals(List.of("d", "f"), names(share));

        client.at(1, "f");
        Files.delete(share.resolve("f"));
        client.fails(Errno.ENOENT, P9Operation.REMOVE, 1);
        client.fails(Errno.EBADF, P9Operation.CLUNK, 1);
    }

    @Test
    void openFileLivesOnAfterItsNameIsGone() throws IOException {
        Files.writeString(share.resolve("f"), "text");
        client.open(1, OpenFlags.O_RDWR, "f");
        client.ok(P9Operation.UNLINKAT, ROOT, "f", 0);
        assertEquals("text", client.read(1));
        assertEquals(0, client.ok(P9Operation.GETATTR, 1, -1L).body().getLong(8 + 13 + 12));
        client.ok(P9Operation.SETATTR, 1, 0x8, 0, 0, 0, 1L, 0L, 0L, 0L, 0L);
        assertEquals("t", client.read(1));
    }

    @Test
    void fileSystemIsTheHosts() throws IOException {
        ByteBuffer status = client.ok(P9Operation.STATFS, ROOT).body();
        status.getInt();
        assertEquals(Files.getFileStore(share).getBlockSize(), status.getInt());
        assertEquals(
                Files.getFileStore(share).getTotalSpace()
                        / Files.getFileStore(share).getBlockSize(),
                status.getLong());
    }

    @Test
    void extendedAttributesAreSetReadListedAndRemoved() throws IOException {
        Files.writeString(share.resolve("f"), "");
        client.at(1, "f");
        set("user.key", "some value", 0);
        set("user.empty", "", 1);
        assertEquals("some value", attribute("user.key"));
        assertEquals("", attribute("user.empty"));
        assertEquals(
                Set.of("user.key", "user.empty"),
                Set.of(attribute("").split("\0", -1)[0], attribute("").split("\0", -1)[1]));
        // Linux's client removes an attribute so.
        set("user.key", "", 2);
        client.fails(Errno.ENODATA, P9Operation.XATTRWALK, 1, 2, "user.key");
        for (String name : List.of("security.capability", "trusted.x", "system.posix_acl_access")) {
            client.fails(Errno.EOPNOTSUPP, P9Operation.XATTRWALK, 1, 2, name);
            client.fails(Errno.EOPNOTSUPP, P9Operation.XATTRCREATE, 1, name, 4L, 0);
        }
        client.ok(P9Operation.GETATTR, 1, -1L);
    }

    private void set(String name, String value, int flags) {
        assertEquals(0, client.walkFrom(1, 5).errno());
        client.ok(P9Operation.XATTRCREATE, 5, name, (long) value.length(), flags);
        if (!value.isEmpty()) {
            client.ok(P9Operation.WRITE, 5, 0L, 2, value.substring(0, 2).getBytes(UTF_8));
            client.ok(
                    P9Operation.WRITE,
                    5,
                    2L,
                    value.length() - 2,
                    value.substring(2).getBytes(UTF_8));
        }
        client.clunk(5);
    }

    private String attribute(String name) {
        long size = client.ok(P9Operation.XATTRWALK, 1, 6, name).body().getLong();
        String value = client.read(6);
        assertEquals(size, value.length());
        client.fails(Errno.EBADF, P9Operation.WRITE, 6, 0L, 1, new byte[1]);
        client.clunk(6);
        return value;
    }

    @Test
    void attributeThatIsNotWrittenAsAnnouncedIsNotSet() throws IOException {
        Files.writeString(share.resolve("f"), "");
        client.at(1, "f");
        client.ok(P9Operation.XATTRCREATE, 1, "user.key", 4L, 0);
        client.fails(Errno.EBADF, P9Operation.READ, 1, 0L, 4);
        client.fails(Errno.ENOSPC, P9Operation.WRITE, 1, 0L, 5, new byte[5]);
        client.fails(Errno.EINVAL, P9Operation.WRITE, 1, 1L, 1, new byte[1]);
        client.ok(P9Operation.WRITE, 1, 0L, 3, new byte[3]);
        client.fails(Errno.EINVAL, P9Operation.CLUNK, 1);
        client.at(1, "f");
        client.fails(Errno.ENODATA, P9Operation.XATTRWALK, 1, 2, "user.key");
    }

    @Test
    void lockOfOneFidBlocksAnother() throws IOException {
        Files.writeString(share.resolve("f"), "12345");
        client.open(1, OpenFlags.O_RDWR, "f");
        client.open(2, OpenFlags.O_RDONLY, "f");
        assertEquals(0, lock(1, 1, 0, 10));
        assertEquals(1, lock(2, 0, 5, 1));
        assertEquals(0, lock(2, 1, 20, 1), "flock(2) locks a file that is open for reading");
        Answer found = client.ok(P9Operation.GETLOCK, 2, (byte) 1, 0L, 0L, 42, "guest");
        assertEquals(1, found.body().get());
        assertEquals(0, found.body().getLong());
        assertEquals(10, found.body().getLong());
        assertEquals(42, found.body().getInt());
        assertEquals("guest", found.string());
        assertEquals(0, lock(1, 2, 0, 10));
        assertEquals(0, lock(2, 0, 5, 1));
        client.fails(Errno.EINVAL, P9Operation.LOCK, 2, (byte) 3, 0, 0L, 0L, 0, "guest");
        client.clunk(2);
        assertEquals(0, lock(1, 1, 0, 0));
    }

    private int lock(int fid, int type, long start, long length) {
        return client.ok(P9Operation.LOCK, fid, (byte) type, 1, start, length, 42, "guest")
                .body()
                .get();
    }

    @Test
    void shortMessagesAreRefused() {
        for (P9Operation operation : P9Operation.values()) {
            if (operation != P9Operation.VERSION) {
                assertNotEquals(0, client.send(operation).errno(), operation.toString());
            }
        }
        client.fails(Errno.EINVAL, P9Operation.WRITE, ROOT, 0L, 100, new byte[99]);
        client.fails(Errno.EINVAL, P9Operation.WRITE, ROOT, 0L, -1, new byte[99]);
    }
}
