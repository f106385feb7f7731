package io.xenemu.core.backend.p9;

import static io.xenemu.core.backend.p9.P9TestClient.ROOT;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.xenemu.core.toolstack.P9Quota;
import io.xenemu.core.toolstack.P9SecurityModel;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.file.OpenFlags;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.nio.file.attribute.UserDefinedFileAttributeView;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Owners, permissions and types of a guest's files under each security model.
final class P9SecurityTest {
    private static final int GUEST_USER = 4711;
    private static final int GUEST_GROUP = 815;
    private static final int MODE = 1;
    private static final int UID = 2;
    private static final int GID = 4;

    @TempDir private Path share;

    @SuppressWarnings("NullAway.Init")
    private P9TestClient client;

    private void attach(P9SecurityModel model) {
        P9Server server =
                new P9Server(
                        new P9Export(share, false, model, P9Limits.DEFAULT, P9Quota.NONE),
                        P9Observer.NONE);
        server.connect(P9TestClient.MSIZE);
        client = new P9TestClient(server);
        client.ok(P9Operation.VERSION, P9TestClient.MSIZE, "9P2000.L");
        client.ok(P9Operation.ATTACH, ROOT, -1, "user", "", GUEST_USER);
    }

    @AfterEach
    void end() {
        P9Server server = client.server;
        client.close();
        assertEquals(0, server.openFiles());
    }

    /// The parts of a status that a model decides on.
    private record Seen(int mode, int uid, int gid, long device) {}

    private Seen seen(String name) {
        client.at(9, name);
        ByteBuffer body = client.ok(P9Operation.GETATTR, 9, -1L).body();
        client.clunk(9);
        int at = 8 + 13;
        return new Seen(
                body.getInt(at), body.getInt(at + 4), body.getInt(at + 8), body.getLong(at + 20));
    }

    private void set(String name, int valid, int mode, int uid, int gid) {
        client.at(9, name);
        client.ok(P9Operation.SETATTR, 9, valid, mode, uid, gid, 0L, 0L, 0L, 0L, 0L);
        client.clunk(9);
    }

    private Map<String, Integer> mapped(String name) throws IOException {
        UserDefinedFileAttributeView view =
                Files.getFileAttributeView(
                        share.resolve(name),
                        UserDefinedFileAttributeView.class,
                        LinkOption.NOFOLLOW_LINKS);
        return view.list().stream()
                .collect(
                        Collectors.toMap(
                                key -> key,
                                key -> {
                                    ByteBuffer value =
                                            ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
                                    try {
                                        view.read(key, value);
                                    } catch (IOException e) {
                                        throw new AssertionError(e);
                                    }
                                    return value.getInt(0);
                                }));
    }

    /// Names and forms of the attributes are those of QEMU's `mapped-xattr`, so that either can serve the folder.
    @Test
    void mappedKeepsOwnersAndPermissionsInAttributes() throws IOException {
        attach(P9SecurityModel.MAPPED);
        client.at(1);
        client.ok(P9Operation.LCREATE, 1, "f", OpenFlags.O_RDWR, 0644, GUEST_GROUP);
        client.clunk(1);
        client.ok(P9Operation.MKDIR, ROOT, "d", 0751, GUEST_GROUP);

        assertEquals(new Seen(OpenFlags.S_IFREG | 0644, GUEST_USER, GUEST_GROUP, 0), seen("f"));
        assertEquals(new Seen(OpenFlags.S_IFDIR | 0751, GUEST_USER, GUEST_GROUP, 0), seen("d"));
        assertEquals(
                Map.of(
                        "virtfs.uid", GUEST_USER,
                        "virtfs.gid", GUEST_GROUP,
                        "virtfs.mode", OpenFlags.S_IFREG | 0644),
                mapped("f"));
        assertEquals(
                "rw-------",
                PosixFilePermissions.toString(Files.getPosixFilePermissions(share.resolve("f"))));
        assertEquals(
                "rwx------",
                PosixFilePermissions.toString(Files.getPosixFilePermissions(share.resolve("d"))));

        set("f", MODE | UID | GID, 04755, 0, 7);
        assertEquals(new Seen(OpenFlags.S_IFREG | 04755, 0, 7, 0), seen("f"));
        assertEquals(
                "rw-------",
                PosixFilePermissions.toString(Files.getPosixFilePermissions(share.resolve("f"))));
        set("d", MODE, 0700, 0, 0);
        assertEquals(new Seen(OpenFlags.S_IFDIR | 0700, GUEST_USER, GUEST_GROUP, 0), seen("d"));
    }

    @Test
    void mappedMakesDevicesFifosSocketsAndLinksOfRegularFiles() throws IOException {
        attach(P9SecurityModel.MAPPED);
        client.ok(P9Operation.MKNOD, ROOT, "null", OpenFlags.S_IFCHR | 0666, 1, 3, 0);
        client.ok(P9Operation.MKNOD, ROOT, "disk", OpenFlags.S_IFBLK | 0660, 0x12345, 0x54321, 6);
        client.ok(P9Operation.MKNOD, ROOT, "fifo", OpenFlags.S_IFIFO | 0600, 0, 0, 0);
        client.ok(P9Operation.MKNOD, ROOT, "socket", OpenFlags.S_IFSOCK | 0600, 0, 0, 0);
        client.ok(P9Operation.SYMLINK, ROOT, "link", "../../etc/passwd", GUEST_GROUP);

        assertEquals(new Seen(OpenFlags.S_IFCHR | 0666, GUEST_USER, 0, 0x103), seen("null"));
        // The guest's form has the low 8 bits of the minor number, the major number, and the rest.
        long disk = 0x21L | 0x12345L << 8 | 0x543_00L << 12;
        assertEquals(new Seen(OpenFlags.S_IFBLK | 0660, GUEST_USER, 6, disk), seen("disk"));
        assertEquals(OpenFlags.S_IFIFO | 0600, seen("fifo").mode());
        assertEquals(OpenFlags.S_IFSOCK | 0600, seen("socket").mode());
        assertEquals(OpenFlags.S_IFLNK | 0777, seen("link").mode());
        for (String name : List.of("null", "disk", "fifo", "socket", "link")) {
            assertTrue(Files.isRegularFile(share.resolve(name), LinkOption.NOFOLLOW_LINKS), name);
            client.at(1, name);
            client.fails(name.equals("link") ? Errno.ELOOP : Errno.ENXIO, P9Operation.LOPEN, 1, 0);
            client.clunk(1);
        }
        client.at(1, "link");
        assertEquals("../../etc/passwd", client.ok(P9Operation.READLINK, 1).string());
        client.clunk(1);
        client.fails(Errno.EEXIST, P9Operation.SYMLINK, ROOT, "link", "x", 0);
        assertEquals("../../etc/passwd", Files.readString(share.resolve("link")));
    }

    @Test
    void mappedHidesItsAttributes() throws IOException {
        attach(P9SecurityModel.MAPPED);
        client.at(1);
        client.ok(P9Operation.LCREATE, 1, "f", OpenFlags.O_RDWR, 0644, GUEST_GROUP);
        client.clunk(1);
        client.at(1, "f");
        client.ok(P9Operation.XATTRWALK, 1, 2, "");
        assertEquals("", client.read(2));
        client.clunk(2);
        client.fails(Errno.ENODATA, P9Operation.XATTRWALK, 1, 2, "user.virtfs.uid");
        client.fails(Errno.EACCES, P9Operation.XATTRCREATE, 1, "user.virtfs.mode", 4L, 0);
        // Files of the host have none, and are shown as they are.
        Files.writeString(share.resolve("host"), "x");
        assertEquals(OpenFlags.S_IFREG, seen("host").mode() & OpenFlags.S_IFMT);
        client.clunk(1);
    }

    /// A value that is none, which another program of the host may have written.
    @Test
    void mappedIgnoresImpossibleAttributes() throws IOException {
        attach(P9SecurityModel.MAPPED);
        Files.writeString(share.resolve("f"), "x");
        Files.createDirectory(share.resolve("d"));
        for (String name : List.of("f", "d")) {
            UserDefinedFileAttributeView view =
                    Files.getFileAttributeView(
                            share.resolve(name), UserDefinedFileAttributeView.class);
            view.write("virtfs.uid", ByteBuffer.wrap(new byte[] {1}));
            view.write(
                    "virtfs.mode",
                    ByteBuffer.allocate(4)
                            .order(ByteOrder.LITTLE_ENDIAN)
                            .putInt(0, OpenFlags.S_IFLNK | 0777));
        }
        assertEquals(OpenFlags.S_IFDIR | 0777, seen("d").mode(), "a directory stays one");
        Seen f = seen("f");
        assertEquals(Files.getAttribute(share.resolve("f"), "unix:uid"), f.uid());
        UserDefinedFileAttributeView view =
                Files.getFileAttributeView(share.resolve("f"), UserDefinedFileAttributeView.class);
        view.write(
                "virtfs.mode",
                ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(0, 0xf1ff));
        assertEquals(OpenFlags.S_IFREG | 0777, seen("f").mode());
    }

    @Test
    void mappedListsRegularFilesAsUnknown() {
        attach(P9SecurityModel.MAPPED);
        client.ok(P9Operation.SYMLINK, ROOT, "link", "x", 0);
        client.ok(P9Operation.MKDIR, ROOT, "d", 0755, 0);
        client.open(1, 0);
        Map<String, Integer> types =
                client.entries(1, 0, 4096).stream()
                        .filter(entry -> !entry.name().startsWith("."))
                        .collect(
                                Collectors.toMap(
                                        P9TestClient.Entry::name, P9TestClient.Entry::type));
        assertEquals(Map.of("link", 0, "d", OpenFlags.S_IFDIR >> 12), types);
        client.clunk(1);
    }

    private static boolean isRoot() throws IOException {
        return Files.getAttribute(Path.of("/proc/self"), "unix:uid").equals(0);
    }

    /// A service without root's rights cannot give a file away.
    @Test
    void passthroughFailsWhereNoneGoesOn() throws IOException {
        attach(P9SecurityModel.PASSTHROUGH);
        assumeFalse(isRoot(), "root can give files away");
        client.at(1);
        client.fails(Errno.EPERM, P9Operation.LCREATE, 1, "f", OpenFlags.O_RDWR, 0644, -1);
        client.fails(Errno.EPERM, P9Operation.MKDIR, ROOT, "d", 0755, -1);
        client.fails(Errno.EPERM, P9Operation.SYMLINK, ROOT, "l", "x", -1);
        client.clunk(1);
        assertArrayEquals(new String[0], share.toFile().list(), "nothing is left");
        Files.writeString(share.resolve("f"), "x");
        client.at(1, "f");
        client.fails(
                Errno.EPERM, P9Operation.SETATTR, 1, UID, 0, GUEST_USER, 0, 0L, 0L, 0L, 0L, 0L);
        client.clunk(1);
        client.close();

        attach(P9SecurityModel.NONE);
        client.ok(P9Operation.MKDIR, ROOT, "d", 0755, -1);
        set("f", UID, 0, GUEST_USER, 0);
    }

    @Test
    void passthroughGivesFilesToTheGuestsUser() throws IOException {
        attach(P9SecurityModel.PASSTHROUGH);
        assumeTrue(isRoot(), "only root can give files away");
        client.ok(P9Operation.MKDIR, ROOT, "d", 0750, GUEST_GROUP);
        assertEquals(new Seen(OpenFlags.S_IFDIR | 0750, GUEST_USER, GUEST_GROUP, 0), seen("d"));
        assertEquals(GUEST_USER, Files.getAttribute(share.resolve("d"), "unix:uid"));
        client.fails(Errno.EPERM, P9Operation.MKNOD, ROOT, "null", OpenFlags.S_IFCHR, 1, 3, 0);
        assertFalse(Files.exists(share.resolve("null")));
    }
}
