package io.xenemu.core.backend.p9;

import static io.xenemu.core.backend.p9.P9TestClient.ROOT;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.file.OpenFlags;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A share that is read-only.
final class P9ReadOnlyTest {
    private static final int DIRECTORY = 1;
    private static final int FILE = 2;
    private static final int OPEN = 3;

    /// A request of each operation that writes.
    private static final Map<P9Operation, Object[]> WRITING = writing();

    @TempDir private Path share;
    private P9TestClient client;

    private static Map<P9Operation, Object[]> writing() {
        Map<P9Operation, Object[]> all = new EnumMap<>(P9Operation.class);
        all.put(P9Operation.LCREATE, new Object[] {DIRECTORY, "new", 0, 0644, 0});
        all.put(P9Operation.SYMLINK, new Object[] {DIRECTORY, "new", "f", 0});
        all.put(P9Operation.MKNOD, new Object[] {DIRECTORY, "new", OpenFlags.S_IFREG, 0, 0, 0});
        all.put(P9Operation.RENAME, new Object[] {FILE, DIRECTORY, "new"});
        all.put(P9Operation.SETATTR, new Object[] {FILE, 0x8, 0, 0, 0, 0L, 0L, 0L, 0L, 0L});
        all.put(P9Operation.XATTRCREATE, new Object[] {FILE, "user.x", 1L, 0});
        all.put(P9Operation.LINK, new Object[] {DIRECTORY, FILE, "new"});
        all.put(P9Operation.MKDIR, new Object[] {DIRECTORY, "new", 0755, 0});
        all.put(P9Operation.RENAMEAT, new Object[] {ROOT, "f", DIRECTORY, "new"});
        all.put(P9Operation.UNLINKAT, new Object[] {ROOT, "f", 0});
        all.put(P9Operation.WRITE, new Object[] {OPEN, 0L, 1, new byte[1]});
        all.put(P9Operation.REMOVE, new Object[] {FILE});
        return all;
    }

    @BeforeEach
    void attach() throws IOException {
        Files.writeString(share.resolve("f"), "text");
        Files.createDirectory(share.resolve("d"));
        client =
                P9TestClient.attached(
                        new P9Server(
                                P9Export.plain(share, true, P9Limits.DEFAULT), P9Observer.NONE));
        client.at(DIRECTORY, "d");
        client.at(FILE, "f");
        client.open(OPEN, OpenFlags.O_RDONLY, "f");
    }

    @AfterEach
    void end() throws IOException {
        client.close();
        assertEquals("text", Files.readString(share.resolve("f")));
        try (var files = Files.walk(share)) {
            assertEquals(3, files.count());
        }
    }

    @Test
    void everyOperationThatWritesIsRefused() {
        Set<P9Operation> known =
                Arrays.stream(P9Operation.values())
                        .filter(P9Operation::writes)
                        .collect(Collectors.toSet());
        assertEquals(known, WRITING.keySet());
        List<P9Operation> last = new ArrayList<>(WRITING.keySet());
        last.remove(P9Operation.REMOVE);
        last.add(P9Operation.REMOVE);
        for (P9Operation operation : last) {
            client.fails(Errno.EROFS, operation, Objects.requireNonNull(WRITING.get(operation)));
        }
        client.fails(Errno.EBADF, P9Operation.CLUNK, FILE);
    }

    /// CVE-2026-63318: O_TRUNC on a share that is read-only.
    @Test
    void cve202663318EveryOpenThatWritesIsRefused() {
        for (int flags :
                List.of(
                        OpenFlags.O_WRONLY,
                        OpenFlags.O_RDWR,
                        OpenFlags.O_ACCMODE,
                        OpenFlags.O_RDONLY | OpenFlags.O_TRUNC,
                        OpenFlags.O_RDONLY | OpenFlags.O_CREAT)) {
            client.fails(Errno.EROFS, P9Operation.LOPEN, FILE, flags);
        }
        client.ok(P9Operation.LOPEN, FILE, OpenFlags.O_RDONLY | OpenFlags.O_APPEND);
        assertEquals("text", client.read(FILE));
    }

    @Test
    void readersLockAFileAndWritersDoNot() {
        assertEquals(0, lock(0));
        assertEquals(2, lock(1));
    }

    private int lock(int type) {
        return client.ok(P9Operation.LOCK, OPEN, (byte) type, 0, 0L, 0L, 1, "guest").body().get();
    }
}
