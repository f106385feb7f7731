package io.xenemu.core.backend.p9;

import static io.xenemu.core.backend.p9.P9TestClient.ROOT;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.host.HostBudget;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.file.OpenFlags;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// A limit that is reached is an errno for that request, and never memory.
final class P9LimitsTest {
    private static final int FIDS = 2000;
    private static final int OPEN_FILES = 16;

    @TempDir private Path share;

    @SuppressWarnings("NullAway.Init")
    private P9TestClient client;

    private void attach(int fids, int openFiles) {
        client =
                P9TestClient.attached(
                        new P9Server(
                                P9Export.plain(share, false, new P9Limits(fids, openFiles)),
                                P9Observer.NONE));
    }

    @AfterEach
    void end() {
        P9Server server = client.server;
        client.close();
        assertEquals(0, server.openFiles());
    }

    @Test
    void fidsEnd() {
        attach(10, OPEN_FILES);
        for (int fid = 1; fid < 10; fid++) {
            client.at(fid);
        }
        assertEquals(Errno.EMFILE, client.walk(10).errno());
        client.clunk(1);
        client.at(10);
    }

    @Test
    void idleFidsGiveTheirDescriptorsBackAndOpenThemAgain() throws IOException {
        attach(FIDS, OPEN_FILES);
        for (int i = 0; i < FIDS - 1; i++) {
            Files.writeString(
                    Files.createDirectories(share.resolve("d" + i % 7)).resolve("f" + i), "" + i);
            client.at(i + 1000, "d" + i % 7, "f" + i);
        }
        assertTrue(client.server.openFiles() <= OPEN_FILES);
        for (int i = 0; i < FIDS - 1; i++) {
            client.ok(P9Operation.LOPEN, i + 1000, 0);
            assertEquals("" + i, client.read(i + 1000));
            client.clunk(i + 1000);
        }
    }

    @Test
    void filesThatAreOpenKeepTheirDescriptors() throws IOException {
        attach(FIDS, OPEN_FILES);
        Files.writeString(share.resolve("f"), "text");
        int opened = 0;
        int errno = 0;
        while (errno == 0) {
            client.at(opened + 1000, "f");
            errno = client.send(P9Operation.LOPEN, opened + 1000, 0).errno();
            opened += errno == 0 ? 1 : 0;
        }
        assertEquals(Errno.EMFILE, errno);
        assertTrue(opened >= OPEN_FILES - 2, "open: " + opened);
        for (int i = 0; i < opened; i++) {
            assertEquals("text", client.read(i + 1000));
        }
    }

    /// The process's other guests need descriptors, too.
    @Test
    void aGuestHasNoMoreDescriptorsThanItsShareOfTheProcess() throws IOException {
        HostBudget budget =
                new HostBudget("descriptors", "open", Errno.EMFILE, "a test", 4L * OPEN_FILES);
        HostBudget.Share guest = budget.open(0, OPEN_FILES);
        HostBudget.Share other = budget.open(0, 3L * OPEN_FILES);
        P9Server server =
                new P9Server(P9Export.plain(share, false, P9Limits.DEFAULT), P9Observer.NONE);
        server.charge(guest);
        client = P9TestClient.attached(server);
        Files.writeString(share.resolve("f"), "text");
        int opened = 0;
        int errno = 0;
        while (errno == 0 && opened <= OPEN_FILES) {
            client.at(opened + 1000, "f");
            errno = client.send(P9Operation.LOPEN, opened + 1000, 0).errno();
            opened += errno == 0 ? 1 : 0;
        }
        assertEquals(Errno.EMFILE, errno);
        assertTrue(opened >= OPEN_FILES - 2, "open: " + opened);
        client.clunk(1000);
        client.ok(P9Operation.LOPEN, opened + 1000, 0);
        server.disconnect();
        // All that it has taken is given back.
        assertTrue(guest.take(OPEN_FILES));
        other.close();
    }

    @Test
    void aParkedFidFollowsTheGuestsOwnRenames() throws IOException {
        attach(FIDS, OPEN_FILES);
        Files.createDirectories(share.resolve("a/b"));
        Files.writeString(share.resolve("a/b/f"), "text");
        client.at(1, "a", "b", "f");
        parkAll();
        client.ok(P9Operation.RENAMEAT, ROOT, "a", ROOT, "much-longer-name");
        client.ok(P9Operation.LOPEN, 1, 0);
        assertEquals("text", client.read(1));
    }

    /// No path of the kernel's is longer, so the file cannot be opened again.
    @Test
    void aParkedFidWhosePathGrowsTooLongByARenameIsStale() throws IOException {
        attach(FIDS, OPEN_FILES);
        String name = "n".repeat(P9Reader.NAME_MAX - 10);
        client.ok(P9Operation.MKDIR, ROOT, "a", 0x1ff, -1);
        int fid = client.at(1, "a");
        for (int depth = 0; depth < 16; depth++) {
            client.ok(P9Operation.MKDIR, fid, name, 0x1ff, -1);
            assertEquals(0, client.walkFrom(fid, fid, name).errno());
        }
        parkAll();
        String longer = "a".repeat(P9Reader.NAME_MAX);
        client.ok(P9Operation.RENAMEAT, ROOT, "a", ROOT, longer);
        try {
            client.fails(Errno.ESTALE, P9Operation.GETATTR, fid, -1L);
        } finally {
            client.ok(P9Operation.RENAMEAT, ROOT, longer, ROOT, "a");
        }
        client.clunk(fid);
    }

    @Test
    void aParkedFidOfAnotherFileIsStale() throws IOException {
        attach(FIDS, OPEN_FILES);
        Files.writeString(share.resolve("f"), "text");
        client.at(1, "f");
        parkAll();
        Files.move(share.resolve("f"), share.resolve("g"));
        Files.writeString(share.resolve("f"), "another file");
        client.fails(Errno.ESTALE, P9Operation.GETATTR, 1, -1L);
        client.fails(Errno.ESTALE, P9Operation.LOPEN, 1, 0);
        client.clunk(1);
    }

    /// Fids that are not used for long give their descriptors to those that are.
    private void parkAll() throws IOException {
        for (int i = 0; i < 3 * OPEN_FILES; i++) {
            Files.writeString(share.resolve("other" + i), "");
            client.at(i + 500, "other" + i);
        }
    }

    /// CVE-2026-8348: many fids of extended attributes.
    @Test
    void cve20268348FidsOfAttributesEnd() throws IOException {
        attach(FIDS, OPEN_FILES);
        Files.writeString(share.resolve("f"), "");
        client.at(1, "f");
        client.fails(Errno.E2BIG, P9Operation.XATTRCREATE, 1, "user.x", 65_537L, 0);
        client.fails(Errno.E2BIG, P9Operation.XATTRCREATE, 1, "user.x", -1L, 0);
        for (int i = 0; i < P9Limits.ATTRIBUTE_FIDS; i++) {
            client.ok(P9Operation.XATTRWALK, 1, 200 + i, "");
        }
        client.fails(Errno.EMFILE, P9Operation.XATTRWALK, 1, 99, "");
        client.fails(Errno.EMFILE, P9Operation.XATTRCREATE, 1, "user.x", 1L, 0);
        client.clunk(200);
        client.ok(P9Operation.XATTRWALK, 1, 99, "");
    }

    /// CVE-2026-9238: a directory read with a huge count.
    @ParameterizedTest
    @ValueSource(ints = {-1, Integer.MAX_VALUE, P9TestClient.MSIZE})
    void cve20269238CountsAreThoseOfTheMessageSize(int count) throws IOException {
        attach(FIDS, OPEN_FILES);
        Files.write(share.resolve("f"), new byte[1 << 20]);
        client.open(1, OpenFlags.O_RDONLY, "f");
        assertEquals(
                P9TestClient.MSIZE - 11, client.ok(P9Operation.READ, 1, 0L, count).data().length);
        client.open(2, 0);
        assertEquals(3, client.entries(2, 0, count).size());
    }

    /// The kernel's record of `.` has 24 bytes, the entry of the answer 25.
    @Test
    void readOfADirectoryWithoutRoomForAnEntryLosesNone() throws IOException {
        attach(FIDS, OPEN_FILES);
        Files.writeString(share.resolve("f"), "");
        client.open(1, 0);
        client.fails(Errno.EINVAL, P9Operation.READDIR, 1, 0L, 24);
        assertEquals(3, client.entries(1, 0, P9TestClient.MSIZE).size());
    }

    /// CVE-2021-20181: fids are dropped and used again while requests use them.
    @Test
    @Timeout(60)
    void cve202120181FidsThatAreDroppedWhileRequestsRunStayWhole() throws Exception {
        attach(FIDS, OPEN_FILES);
        for (int i = 0; i < 4; i++) {
            Files.writeString(share.resolve("f" + i), "content of f" + i);
        }
        List<Future<?>> all = new ArrayList<>();
        try (ExecutorService threads = Executors.newFixedThreadPool(4)) {
            for (int thread = 0; thread < 4; thread++) {
                int seed = thread;
                all.add(threads.submit(() -> hammer(seed)));
            }
        }
        for (Future<?> one : all) {
            one.get();
        }
        client.send(P9Operation.VERSION, P9TestClient.MSIZE, "9P2000.L");
        assertEquals(0, client.server.openFiles());
    }

    /// Works on fids that the other threads work on too.
    private void hammer(int seed) {
        try (P9TestClient own = new P9TestClient(client.server, false)) {
            for (int i = 0; i < 3000; i++) {
                int fid = 1 + (i * 7 + seed) % 5;
                own.walk(fid, "f" + i % 4);
                own.send(P9Operation.LOPEN, fid, 0);
                P9TestClient.Answer read = own.send(P9Operation.READ, fid, 0L, 100);
                if (read.errno() == 0) {
                    String text = new String(read.data(), UTF_8);
                    assertTrue(text.matches("content of f[0-3]"), text);
                }
                own.send(P9Operation.XATTRWALK, fid, 10 + fid, "");
                own.send(P9Operation.CLUNK, 10 + fid);
                own.send(P9Operation.CLUNK, fid);
            }
        }
    }
}
