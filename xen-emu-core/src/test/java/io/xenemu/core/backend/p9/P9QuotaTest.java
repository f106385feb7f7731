package io.xenemu.core.backend.p9;

import static io.xenemu.core.backend.p9.P9TestClient.ROOT;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.host.HostBudget;
import io.xenemu.core.toolstack.P9Quota;
import io.xenemu.core.toolstack.P9SecurityModel;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.file.OpenFlags;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// A share's limits of files and space (`max-files`, `max-space`, `auto-delete`).
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class P9QuotaTest {
    private static final int CHUNK = 32 << 10;

    @TempDir private Path folder;

    @SuppressWarnings("NullAway.Init")
    private P9TestClient client;

    private void attach(P9Quota quota) {
        client =
                P9TestClient.attached(
                        new P9Server(
                                new P9Export(
                                        folder,
                                        false,
                                        P9SecurityModel.NONE,
                                        P9Limits.DEFAULT,
                                        quota),
                                P9Observer.NONE));
    }

    @AfterEach
    void end() {
        P9Server server = client.server;
        client.close();
        assertEquals(0, server.openFiles());
    }

    private int create(int fid, String name) {
        client.at(fid);
        return client.send(P9Operation.LCREATE, fid, name, OpenFlags.O_RDWR, 0644, -1).errno();
    }

    /// Writes until there is no room.
    ///
    /// @return bytes written
    private long fill(int fid, long from) {
        byte[] data = new byte[CHUNK];
        long at = from;
        for (int errno = 0; errno == 0; at += errno == 0 ? CHUNK : 0) {
            errno = client.send(P9Operation.WRITE, fid, at, CHUNK, data).errno();
            assertTrue(errno == 0 || errno == Errno.ENOSPC, "errno " + errno);
        }
        return at - from;
    }

    @Test
    void namesBelowTheFolderEnd() throws IOException {
        Files.createDirectory(folder.resolve("d"));
        Files.writeString(folder.resolve("d/host"), "the host's count too");
        attach(new P9Quota(5, 0, false));
        client.ok(P9Operation.MKDIR, ROOT, "e", 0755, -1);
        client.ok(P9Operation.SYMLINK, ROOT, "l", "x", -1);
        client.ok(P9Operation.MKNOD, ROOT, "f", OpenFlags.S_IFREG | 0600, 0, 0, -1);
        client.fails(Errno.ENOSPC, P9Operation.MKDIR, ROOT, "g", 0755, -1);
        client.fails(Errno.ENOSPC, P9Operation.SYMLINK, ROOT, "g", "x", -1);
        client.fails(Errno.ENOSPC, P9Operation.MKNOD, ROOT, "g", OpenFlags.S_IFREG, 0, 0, -1);
        client.at(1, "f");
        client.fails(Errno.ENOSPC, P9Operation.LINK, ROOT, 1, "g");
        assertEquals(Errno.ENOSPC, create(2, "g"));
        client.ok(P9Operation.UNLINKAT, ROOT, "l", 0);
        client.ok(P9Operation.LINK, ROOT, 1, "g");
        client.fails(Errno.ENOSPC, P9Operation.LINK, ROOT, 1, "h");
        client.ok(P9Operation.RENAMEAT, ROOT, "g", ROOT, "f");
    }

    @Test
    void spaceBelowTheFolderEndsAndComesBack() throws IOException {
        attach(new P9Quota(0, 1, false));
        assertEquals(0, create(1, "f"));
        long first = fill(1, 0);
        assertTrue(first <= 1 << 20 && first >= (1 << 20) - 3 * CHUNK, first + " bytes");
        // What is written over takes no more room.
        client.ok(P9Operation.WRITE, 1, 0L, CHUNK, new byte[CHUNK]);
        client.ok(P9Operation.WRITE, 1, 1000L, CHUNK, new byte[CHUNK]);
        client.ok(P9Operation.SETATTR, 1, 8, 0, 0, 0, 0L, 0L, 0L, 0L, 0L);
        assertEquals(first, fill(1, 0));
        Files.delete(folder.resolve("f"));
        client.clunk(1);
        assertEquals(0, create(1, "g"));
        assertEquals(first, fill(1, 0));
    }

    /// A removed file takes its room until nobody holds it.
    @Test
    void aRemovedFileThatIsHeldTakesRoom() {
        attach(new P9Quota(0, 1, false));
        assertEquals(0, create(1, "f"));
        assertTrue(fill(1, 0) > 0);
        client.ok(P9Operation.UNLINKAT, ROOT, "f", 0);
        assertEquals(0, create(2, "g"));
        assertEquals(0, fill(2, 0));
        client.clunk(1);
        assertTrue(fill(2, 0) > CHUNK);
    }

    @Test
    void theOldestFileThatIsNotOpenGoes() throws IOException {
        for (int i = 0; i < 4; i++) {
            Path file = Files.createDirectories(folder.resolve("d" + i)).resolve("f");
            Files.writeString(file, "x");
            Files.setLastModifiedTime(file, FileTime.fromMillis(1000L * (i + 1)));
        }
        attach(new P9Quota(9, 0, true));
        client.open(1, 0, "d0", "f");
        assertEquals(0, create(2, "new"));
        assertEquals(0, create(3, "newer"));
        assertEquals(
                List.of(true, false, true, true),
                IntStream.range(0, 4)
                        .mapToObj(i -> Files.exists(folder.resolve("d" + i + "/f")))
                        .toList());
        assertEquals(0, create(4, "newest"));
        assertFalse(Files.exists(folder.resolve("d2/f")));
        assertTrue(Files.exists(folder.resolve("d0/f")), "the guest has it open");
    }

    @Test
    void attributesTakeRoom() {
        attach(new P9Quota(0, 1, false));
        assertEquals(0, create(1, "f"));
        long filled = fill(1, 0);
        assertTrue(filled > 0);
        client.at(2, "f");
        client.fails(Errno.ENOSPC, P9Operation.XATTRCREATE, 2, "user.x", 10_000L, 0);
    }

    @Test
    void treeThatIsTooDeepToBeCountedIsFull() {
        attach(new P9Quota(1000, 0, false));
        client.at(1);
        int made = 0;
        while (made < 200 && client.send(P9Operation.MKDIR, 1, "d", 0755, -1).errno() == 0) {
            assertEquals(0, client.walkFrom(1, 1, "d").errno());
            made++;
        }
        assertEquals(200, made, "nothing is counted before the limit");
        assertEquals(0, create(2, "f"));
    }

    /// A count holds a descriptor for each level, which are the guest's too.
    @Test
    void aCountTakesDescriptorsOfTheGuestsShareOfTheProcess() throws IOException {
        Path deep = folder;
        for (int depth = 0; depth < 20; depth++) {
            deep = deep.resolve("d");
        }
        Files.createDirectories(deep);
        attach(new P9Quota(1000, 0, false));
        HostBudget budget = new HostBudget("descriptors", "open", Errno.EMFILE, "a test", 10);
        HostBudget.Share guest = budget.open(0, 10);
        client.clunk(ROOT);
        client.server.charge(guest);
        client.ok(P9Operation.ATTACH, ROOT, -1, "root", "", -1);
        client.fails(Errno.EMFILE, P9Operation.MKDIR, ROOT, "e", 0755, -1);
        client.clunk(ROOT);
        assertTrue(guest.take(10), "all have come back");
        guest.give(10);
    }
}
