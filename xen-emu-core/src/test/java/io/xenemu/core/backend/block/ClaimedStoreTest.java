package io.xenemu.core.backend.block;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.toolstack.DiskSpec;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.file.IoVectors;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A disk that two services have one after the other.
final class ClaimedStoreTest {
    private static final int PAGE = 4096;

    @TempDir private Path folder;
    private final Arena arena = Arena.ofConfined();
    private Path image;
    private DiskSpec spec;
    private ClaimedStore store;

    @BeforeEach
    void open() throws Exception {
        image = Files.write(folder.resolve("x.img"), new byte[16 * PAGE]);
        spec = DiskSpec.parse(List.of(image + ",raw,xvda,rw"));
        store = ClaimedStore.open(DiskOpener.RAW, spec);
    }

    @AfterEach
    void close() {
        store.close();
        arena.close();
    }

    private int write(DiskStore to, long offset, int value) {
        AtomicInteger errno = new AtomicInteger(-1);
        IoVectors vectors = new IoVectors(arena, 1);
        vectors.add(arena.allocate(PAGE, PAGE).fill((byte) value).address(), PAGE);
        DiskTransfer transfer = new DiskTransfer(vectors, (_, result) -> errno.set(result));
        transfer.set(DiskOp.WRITE, offset, PAGE);
        to.submit(transfer);
        return errno.get();
    }

    private static String refused(ClaimedStore claimed) {
        return assertThrows(Refused.class, claimed::claim).reason();
    }

    @Test
    void oneServiceHasItAfterTheOther() throws Exception {
        assertEquals(0, write(store, 0, 1));
        store.release();
        assertFalse(store.isClaimed());
        try (ClaimedStore other = ClaimedStore.reopen(DiskOpener.RAW, spec)) {
            assertEquals(16 * PAGE, other.bytes());
            assertEquals(image + " is in use: another has it open", refused(store));
            assertFalse(store.isClaimed());
        }
        store.claim();
        assertTrue(store.isClaimed());
        assertThrows(Refused.class, () -> ClaimedStore.open(DiskOpener.RAW, spec));
        assertEquals(0, write(store, PAGE, 2));
        assertEquals(2, Files.readAllBytes(image)[PAGE]);
        store.claim();
        store.release();
        store.release();
        store.claim();
    }

    /// The guest here has memory of what was on it before.
    @Test
    void oneThatWasWrittenMeanwhileIsNotClaimed() throws Exception {
        store.release();
        try (ClaimedStore other = ClaimedStore.reopen(DiskOpener.RAW, spec)) {
            assertEquals(0, write(other, 0, 3));
        }
        assertEquals(image + " was written since it was given up here", refused(store));
        try (ClaimedStore other = ClaimedStore.reopen(DiskOpener.RAW, spec)) {
            assertTrue(other.isClaimed(), "a refused claim leaves nothing open");
        }
    }

    @Test
    void oneThatIsGoneOrSmallerIsNotClaimed() throws Exception {
        store.release();
        Path aside = Files.move(image, folder.resolve("aside"));
        assertEquals(image + ": no such file", refused(store));
        Files.write(image, new byte[PAGE]);
        assertEquals(image + " has 4096 bytes, and had 65536", refused(store));
        Files.delete(image);
        Files.move(aside, image);
        store.claim();
    }

    @Test
    void nothingIsDoneWhileItIsAway() throws Exception {
        store.release();
        assertEquals(Errno.EIO, write(store, 0, 1));
        assertEquals(16 * PAGE, store.bytes());
        assertTrue(store.features().writable());
        assertThrows(KvmException.class, store::resize);
        store.giveUp();
        store.close();
        store.claim();
        assertFalse(store.isClaimed(), "its device is gone");
        ClaimedStore.open(DiskOpener.RAW, spec).close();
    }

    /// A server may end with its last connection.
    @Test
    void connectionToAServerStays() throws Exception {
        SlowStore server = new SlowStore();
        DiskSpec remote = DiskSpec.parse(List.of("nbd://host/x,raw,xvda,rw"));
        try (ClaimedStore claimed = ClaimedStore.open(_ -> server, remote)) {
            claimed.release();
            assertFalse(server.closed);
            claimed.claim();
        }
        assertTrue(server.closed);
    }
}
