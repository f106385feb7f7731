package io.xenemu.core.backend.block;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.toolstack.DeviceKind;
import io.xenemu.core.toolstack.DiskAio;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.file.IoUring;
import io.xenemu.kvm.file.IoVectors;
import io.xenemu.kvm.testing.Eventually;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// A file whose operations end later.
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class UringStoreTest {
    private static final int PAGE = 4096;

    @TempDir Path directory;
    private final Arena arena = Arena.ofShared();

    @BeforeAll
    static void needIoUring() {
        try {
            new IoUring(1).close();
        } catch (KvmException e) {
            Assumptions.abort("no io_uring here: " + e.getMessage());
        }
    }

    @AfterEach
    void close() {
        arena.close();
    }

    /// A transfer with memory of its own.
    private final class Transfer {
        final MemorySegment memory;
        final IoVectors vectors = new IoVectors(arena, 4);
        final AtomicInteger ends = new AtomicInteger();
        final CountDownLatch ended = new CountDownLatch(1);
        volatile int errno = -1;
        final DiskTransfer transfer =
                new DiskTransfer(
                        vectors,
                        (_, result) -> {
                            errno = result;
                            ends.incrementAndGet();
                            ended.countDown();
                        });

        Transfer(int pages, int value) {
            memory = arena.allocate((long) pages * PAGE, PAGE);
            memory.fill((byte) value);
            vectors.add(memory.address(), memory.byteSize());
        }

        Transfer submit(DiskStore store, DiskOp op, long offset) {
            transfer.set(op, offset, op == DiskOp.FLUSH ? 0 : memory.byteSize());
            store.submit(transfer);
            return this;
        }

        int await() throws InterruptedException {
            ended.await();
            return errno;
        }
    }

    private DiskStore open(Path image, boolean direct, DiskAio aio) throws Refused {
        try {
            return DiskOpener.raw(image, true, direct, aio);
        } catch (Refused e) {
            Assumptions.assumeFalse(e.reason().contains("no direct I/O"), e.reason());
            throw e;
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void manyOperationsAtOnceEachEndOnce(boolean direct) throws Exception {
        Path image = Files.write(directory.resolve("image"), new byte[512 * PAGE]);
        try (DiskStore store = open(image, direct, DiskAio.IO_URING)) {
            Transfer[] writes = new Transfer[512];
            // More than can be in progress.
            for (int i = 0; i < writes.length; i++) {
                writes[i] = new Transfer(1, i % 251).submit(store, DiskOp.WRITE, (long) i * PAGE);
            }
            for (Transfer write : writes) {
                assertEquals(0, write.await());
            }
            assertEquals(0, new Transfer(1, 0).submit(store, DiskOp.FLUSH, 0).await());
            Transfer[] reads = new Transfer[512];
            for (int i = 0; i < reads.length; i++) {
                reads[i] = new Transfer(1, 0).submit(store, DiskOp.READ, (long) i * PAGE);
            }
            byte[] expected = new byte[PAGE];
            for (int i = 0; i < reads.length; i++) {
                assertEquals(0, reads[i].await());
                Arrays.fill(expected, (byte) (i % 251));
                assertArrayEquals(expected, reads[i].memory.toArray(ValueLayout.JAVA_BYTE));
                assertEquals(1, reads[i].ends.get() * writes[i].ends.get());
            }
            assertEquals(0, new Transfer(4, 0).submit(store, DiskOp.DISCARD, 0).await());
            Transfer read = new Transfer(8, 1).submit(store, DiskOp.READ, 0);
            assertEquals(0, read.await());
            assertEquals(0, read.memory.get(ValueLayout.JAVA_BYTE, 4 * PAGE - 1));
            assertEquals(4, read.memory.get(ValueLayout.JAVA_BYTE, 4 * PAGE));
        }
    }

    @Test
    void fileThatWasCutFailsTheReadAlone() throws Exception {
        Path image = Files.write(directory.resolve("image"), new byte[4 * PAGE]);
        try (DiskStore store = open(image, false, DiskAio.IO_URING)) {
            try (var file = new RandomAccessFile(image.toFile(), "rw")) {
                file.setLength(2 * PAGE);
            }
            assertEquals(Errno.EIO, new Transfer(2, 0).submit(store, DiskOp.READ, PAGE).await());
            assertEquals(0, new Transfer(2, 0).submit(store, DiskOp.READ, 0).await());
        }
    }

    @Test
    void threadHasTheNameOfTheDiskAndEndsWithIt() throws Exception {
        Path image = Files.write(directory.resolve("image"), new byte[PAGE]);
        DiskStore store = open(image, false, DiskAio.IO_URING);
        store.belongsTo(new PvDevice(DeviceKind.VBD, DomId.of(3), DomId.DOM0, 51712));
        assertFalse(threads().contains("dom3-vbd-51712-uring"), "it has nothing to do yet");
        assertEquals(0, new Transfer(1, 0).submit(store, DiskOp.READ, 0).await());
        assertTrue(threads().contains("dom3-vbd-51712-uring"));
        store.close();
        store.close();
        assertFalse(threads().contains("dom3-vbd-51712-uring"));
        FileStore.open(image, true, false).close();
    }

    private static List<String> threads() {
        return Thread.getAllStackTraces().keySet().stream().map(Thread::getName).toList();
    }

    @Test
    void failureOfAnAnswerKeepsTheOthersGoing() throws Exception {
        Path image = Files.write(directory.resolve("image"), new byte[PAGE]);
        try (DiskStore store = open(image, false, DiskAio.IO_URING)) {
            var failing =
                    new DiskTransfer(
                            new IoVectors(arena, 1),
                            (_, _) -> {
                                throw new IllegalStateException("a bug");
                            });
            failing.set(DiskOp.FLUSH, 0, 0);
            store.submit(failing);
            assertEquals(0, new Transfer(1, 0).submit(store, DiskOp.READ, 0).await());
        }
    }

    @Test
    void dataOfThePageCacheIsMovedAtOnceAndSlowFlushesLater() throws Exception {
        Path image = Files.write(directory.resolve("image"), new byte[PAGE]);
        try (DiskStore store = open(image, false, DiskAio.AUTO)) {
            assertInstanceOf(UringStore.class, store);
            Transfer write = new Transfer(1, 7).submit(store, DiskOp.WRITE, 0);
            assertEquals(1, write.ends.get());
            assertEquals(0, new Transfer(1, 0).submit(store, DiskOp.FLUSH, 0).await());
            assertEquals(0, new Transfer(1, 0).submit(store, DiskOp.FLUSH, 0).await());
            assertEquals(7, Files.readAllBytes(image)[PAGE - 1]);
        }
    }

    @Test
    void wayIsTheOneThatWasAskedFor() throws Exception {
        Path image = Files.write(directory.resolve("image"), new byte[PAGE]);
        try (DiskStore store = open(image, false, DiskAio.SYNC)) {
            assertInstanceOf(FileStore.class, store);
        }
        try (DiskStore store = DiskOpener.raw(image, false, false, DiskAio.AUTO)) {
            assertInstanceOf(FileStore.class, store, "nothing of a read-only disk is slow");
        }
    }

    /// The whole way: requests of a guest, with answers from the store's thread.
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void guestIsAnsweredFromTheStoresThread(boolean direct) throws Exception {
        Path image = Files.write(directory.resolve("image"), new byte[256 * PAGE]);
        try (DiskStore store = open(image, direct, DiskAio.IO_URING);
                BlockFront front =
                        new BlockFront(
                                BlockAbi.X86_64, new BlockDisk(store, true, true, false, 512))) {
            for (int round = 0; round < 50; round++) {
                int value = round + 1;
                front.fill(0, value);
                front.send(2, 1, 8L * round, BlockFront.Segment.page(0));
                front.queue.run();
                Eventually.holds("the barrier is answered", front.ring::hasAnswer);
                assertEquals(new BlockFront.Answer(1, 2, 0), front.answer());
                assertEquals(value, Files.readAllBytes(image)[round * PAGE]);
            }
            assertTrue(front.queue.drain(Duration.ofSeconds(60)));
            front.assertNothingPinned();
        }
    }
}
