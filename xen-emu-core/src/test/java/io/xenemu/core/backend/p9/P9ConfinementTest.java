package io.xenemu.core.backend.p9;

import static io.xenemu.core.backend.p9.P9TestClient.ROOT;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.file.OpenFlags;
import io.xenemu.kvm.testing.Rounds;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// No request reaches a file outside of the share.
final class P9ConfinementTest {
    private static final String SECRET = "secret";

    /// A soak of 10 makes a hundred thousand.
    private static final int SWAPS = 10_000;

    /// Names that are more, or less, than one step down.
    private static final List<String> BAD_NAMES =
            List.of(
                    "",
                    ".",
                    "..",
                    "/",
                    "a/b",
                    "../secret",
                    "/etc",
                    "a/",
                    "/a",
                    "d/..",
                    "\0",
                    "a\0",
                    "..\0",
                    "\0..",
                    "./",
                    "../");

    @TempDir private Path folder;
    private Path share;
    private P9TestClient client;

    @BeforeEach
    void attach() throws IOException {
        share = Files.createDirectory(folder.resolve("share"));
        Files.writeString(folder.resolve(SECRET), SECRET);
        Files.createDirectory(share.resolve("d"));
        Files.writeString(share.resolve("d/secret"), "inside");
        client =
                P9TestClient.attached(
                        new P9Server(
                                P9Export.plain(share, false, P9Limits.DEFAULT), P9Observer.NONE));
    }

    @AfterEach
    void end() throws IOException {
        client.close();
        assertEquals(SECRET, Files.readString(folder.resolve(SECRET)));
        try (var files = Files.list(folder)) {
            assertEquals(2, files.count());
        }
    }

    /// CVE-2016-7116: `..` and a slash lead out of the share. CVE-2017-7493: names of a server's own files beside those
    /// of the guest, of which there are none here.
    @Test
    void cve20167116Cve20177493NamesThatAreNotOneStepAreRefusedEverywhere() {
        client.at(1, "d");
        client.at(2, "d", "secret");
        for (String name : BAD_NAMES) {
            assertEquals(Errno.EINVAL, client.walk(9, name).errno(), name);
            assertEquals(1, client.walk(9, "d", name).body().getShort(), name);
            client.fails(Errno.EINVAL, P9Operation.LCREATE, 1, name, 0, 0644, 0);
            client.fails(Errno.EINVAL, P9Operation.MKDIR, 1, name, 0755, 0);
            client.fails(Errno.EINVAL, P9Operation.MKNOD, 1, name, OpenFlags.S_IFREG, 0, 0, 0);
            client.fails(Errno.EINVAL, P9Operation.SYMLINK, 1, name, "x", 0);
            client.fails(Errno.EINVAL, P9Operation.LINK, 1, 2, name);
            client.fails(Errno.EINVAL, P9Operation.UNLINKAT, 1, name, 0);
            client.fails(Errno.EINVAL, P9Operation.RENAMEAT, 1, name, 1, "x");
            client.fails(Errno.EINVAL, P9Operation.RENAMEAT, 1, "secret", 1, name);
            client.fails(Errno.EINVAL, P9Operation.RENAME, 2, 1, name);
        }
        String long256 = "x".repeat(256);
        assertEquals(Errno.ENAMETOOLONG, client.walk(9, long256).errno());
        client.fails(Errno.ENAMETOOLONG, P9Operation.MKDIR, 1, long256, 0755, 0);
        client.ok(P9Operation.MKDIR, 1, "...", 0755, 0);
        client.ok(P9Operation.MKDIR, 1, "x".repeat(255), 0755, 0);
    }

    /// CVE-2016-9602: symbolic links lead out of the share.
    @Test
    void cve20169602SymbolicLinksAreNeverFollowed() throws IOException {
        Files.createSymbolicLink(share.resolve("up"), Path.of(".."));
        Files.createSymbolicLink(share.resolve("out"), folder.resolve(SECRET));
        Files.createSymbolicLink(share.resolve("gone"), folder.resolve("new"));
        Files.createSymbolicLink(share.resolve("proc"), Path.of("/proc/self/root"));

        assertEquals(1, client.walk(1, "up", SECRET).body().getShort());
        assertEquals(1, client.walk(1, "proc", "etc").body().getShort());
        client.at(2, "out");
        client.fails(Errno.ELOOP, P9Operation.LOPEN, 2, 0);
        client.fails(Errno.ELOOP, P9Operation.LOPEN, 2, OpenFlags.O_WRONLY | OpenFlags.O_TRUNC);
        for (String link : List.of("out", "gone", "up")) {
            client.fails(Errno.ELOOP, P9Operation.LCREATE, ROOT, link, OpenFlags.O_RDWR, 0644, 0);
            client.fails(Errno.EEXIST, P9Operation.MKDIR, ROOT, link, 0755, 0);
            client.fails(Errno.EEXIST, P9Operation.SYMLINK, ROOT, link, "x", 0);
        }
        client.at(3, "up");
        client.fails(Errno.ENOTDIR, P9Operation.MKDIR, 3, "new", 0755, 0);
        client.fails(Errno.ENOTDIR, P9Operation.UNLINKAT, 3, SECRET, 0);
        client.fails(Errno.ENOTDIR, P9Operation.RENAMEAT, 3, SECRET, ROOT, "stolen");
        client.fails(Errno.ENOTDIR, P9Operation.LCREATE, 3, "new", OpenFlags.O_RDWR, 0644, 0);
        // A size or permissions through the link would be those of the file outside.
        assertNotEquals(
                0, client.send(P9Operation.SETATTR, 2, 0x8, 0, 0, 0, 0L, 0L, 0L, 0L, 0L).errno());
        assertNotEquals(
                0, client.send(P9Operation.SETATTR, 2, 0x1, 0, 0, 0, 0L, 0L, 0L, 0L, 0L).errno());
        client.ok(P9Operation.XATTRCREATE, 2, "user.x", 1L, 0);
        client.ok(P9Operation.WRITE, 2, 0L, 1, new byte[1]);
        client.fails(Errno.EPERM, P9Operation.CLUNK, 2);
    }

    /// A thread of the host swaps a directory and a symbolic link to the outside while the guest walks through it,
    /// opens what it finds, and tries to make and remove files there.
    @Test
    @Timeout(value = 10, unit = TimeUnit.MINUTES)
    void aSwapOfADirectoryAndALinkNeverLeadsOut() throws Exception {
        int swaps = Rounds.of(SWAPS);
        AtomicInteger left = new AtomicInteger(swaps);
        Thread swapper = Thread.ofPlatform().start(() -> swap(left));
        int inside = 0;
        while (left.get() > 0 || inside == 0) {
            P9TestClient.Answer walked = client.walk(1, "d", SECRET);
            if (walked.errno() == 0 && walked.body().getShort() == 2) {
                if (client.send(P9Operation.LOPEN, 1, OpenFlags.O_RDWR).errno() == 0) {
                    assertEquals("inside", client.read(1));
                    inside++;
                }
                client.clunk(1);
            }
            if (client.walk(2, "d").errno() == 0) {
                client.send(P9Operation.UNLINKAT, 2, SECRET + "2", 0);
                client.send(P9Operation.MKDIR, 2, "made", 0700, -1);
                client.send(P9Operation.UNLINKAT, 2, "made", OpenFlags.AT_REMOVEDIR);
                client.send(P9Operation.LCREATE, 2, "created", OpenFlags.O_RDWR, 0600, -1);
                client.clunk(2);
            }
            client.send(P9Operation.UNLINKAT, ROOT, "d", 0);
        }
        swapper.join();
        assertEquals("inside", Files.readString(share.resolve("d").resolve(SECRET)));
    }

    private void swap(AtomicInteger left) {
        Path directory = share.resolve("d");
        Path aside = share.resolve("aside");
        try {
            while (left.getAndDecrement() > 0) {
                Files.move(directory, aside);
                Files.createSymbolicLink(directory, Path.of(".."));
                Files.deleteIfExists(directory);
                Files.move(aside, directory, StandardCopyOption.ATOMIC_MOVE);
            }
        } catch (IOException e) {
            throw new AssertionError(e);
        } finally {
            left.set(0);
        }
    }

    /// CVE-2023-2861: a FIFO waits for its other end, and a device acts when it is opened.
    @Test
    @Timeout(30)
    void cve20232861OnlyRegularFilesAndDirectoriesAreOpened() throws Exception {
        assertEquals(
                0,
                new ProcessBuilder("mkfifo", share.resolve("fifo").toString())
                        .inheritIO()
                        .start()
                        .waitFor());
        client.ok(P9Operation.MKNOD, ROOT, "socket", OpenFlags.S_IFSOCK | 0600, 0, 0, -1);
        for (String name : List.of("fifo", "socket")) {
            for (int flags :
                    List.of(0, OpenFlags.O_WRONLY, OpenFlags.O_RDWR, OpenFlags.O_NONBLOCK)) {
                client.at(1, name);
                client.fails(Errno.ENXIO, P9Operation.LOPEN, 1, flags);
                client.fails(Errno.ENXIO, P9Operation.LCREATE, ROOT, name, flags, 0644, 0);
                client.ok(P9Operation.GETATTR, 1, -1L);
                client.clunk(1);
            }
        }
    }
}
