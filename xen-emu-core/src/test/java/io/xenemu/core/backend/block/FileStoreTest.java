package io.xenemu.core.backend.block;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.file.IoVectors;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class FileStoreTest {
    @TempDir Path directory;
    private final Arena arena = Arena.ofConfined();
    private final MemorySegment memory = arena.allocate(8192, 4096);
    private final IoVectors vectors = new IoVectors(arena, 8);
    private int errno = -1;
    private final DiskTransfer transfer =
            new DiskTransfer(
                    vectors,
                    (done, result) -> {
                        assertEquals(-1, errno, "completed once");
                        errno = result;
                    });

    @AfterEach
    void close() {
        arena.close();
    }

    @Test
    void bytesComeBack() throws Exception {
        Path image = image(16384);
        try (FileStore store = FileStore.open(image, true, false)) {
            memory.asSlice(0, 4096).fill((byte) 7);
            assertEquals(0, run(store, DiskOp.WRITE, 512, 4096));
            assertEquals(0, run(store, DiskOp.FLUSH, 0, 0));
            assertEquals(7, Files.readAllBytes(image)[512]);
            memory.fill((byte) 0);
            assertEquals(0, run(store, DiskOp.READ, 512, 8192));
            assertEquals(7, memory.get(ValueLayout.JAVA_BYTE, 4095));
            assertEquals(0, memory.get(ValueLayout.JAVA_BYTE, 4096));
        }
    }

    @Test
    void discardedRangeReadsAsZeros() throws Exception {
        Path image = image(65536);
        try (FileStore store = FileStore.open(image, true, false)) {
            memory.fill((byte) 7);
            assertEquals(0, run(store, DiskOp.WRITE, 8192, 8192));
            assertEquals(0, run(store, DiskOp.DISCARD, 8192, 4096));
            assertEquals(0, run(store, DiskOp.READ, 8192, 8192));
            assertEquals(0, memory.get(ValueLayout.JAVA_BYTE, 0));
            assertEquals(7, memory.get(ValueLayout.JAVA_BYTE, 4096));
            int zeroed = run(store, DiskOp.WRITE_ZEROES, 12288, 4096);
            assertTrue(zeroed == 0 || zeroed == Errno.EOPNOTSUPP, "errno " + zeroed);
        }
        assertEquals(65536, Files.size(image));
    }

    @Test
    void directTransfersAndUnalignedOnesGiveTheSameBytes() throws Exception {
        Path image = image(65536);
        FileStore opened;
        try {
            opened = FileStore.open(image, true, true);
        } catch (Refused e) {
            assertTrue(e.toString().contains("no direct I/O"), e.toString());
            return;
        }
        try (FileStore store = opened) {
            memory.fill((byte) 7);
            assertEquals(0, run(store, DiskOp.WRITE, 4096, 8192));
            memory.fill((byte) 9);
            assertEquals(0, run(store, DiskOp.WRITE, 4608, 512));
            assertEquals(0, run(store, DiskOp.READ, 4096, 8192));
            assertEquals(7, memory.get(ValueLayout.JAVA_BYTE, 511));
            assertEquals(9, memory.get(ValueLayout.JAVA_BYTE, 512));
            assertEquals(7, memory.get(ValueLayout.JAVA_BYTE, 1024));
        }
    }

    /// The kernel reads, changes and writes the device's sectors.
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void deviceWithLargeSectorsTakesSmallOnes(boolean directIo) throws Exception {
        Path image = image(65536);
        Optional<Path> device = loop("--sector-size=4096", "--show", "--find", image.toString());
        Assumptions.assumeTrue(device.isPresent(), "no loop device can be made here");
        try (FileStore store = FileStore.open(device.orElseThrow(), true, directIo)) {
            assertEquals(4096, store.features().logicalBlock());
            assertEquals(4096, store.features().physicalBlock());
            memory.fill((byte) 7);
            assertEquals(0, run(store, DiskOp.WRITE, 4096, 8192));
            memory.fill((byte) 9);
            assertEquals(0, run(store, DiskOp.WRITE, 4608, 512));
            assertEquals(0, run(store, DiskOp.READ, 4096, 8192));
            assertEquals(7, memory.get(ValueLayout.JAVA_BYTE, 511));
            assertEquals(9, memory.get(ValueLayout.JAVA_BYTE, 512));
            assertEquals(7, memory.get(ValueLayout.JAVA_BYTE, 1024));
        } finally {
            Optional<Path> _ = loop("--detach", device.orElseThrow().toString());
        }
    }

    /// The first line of losetup(8); empty if that fails, such as without root.
    private static Optional<Path> loop(String... arguments) throws Exception {
        List<String> command = new ArrayList<>(List.of("losetup"));
        command.addAll(List.of(arguments));
        try {
            Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
            String line = new String(process.getInputStream().readAllBytes(), UTF_8).strip();
            return process.waitFor() == 0 ? Optional.of(Path.of(line)) : Optional.empty();
        } catch (IOException _) {
            return Optional.empty();
        }
    }

    @Test
    void fileThatWasCutFailsTheReadAlone() throws Exception {
        Path image = image(16384);
        try (FileStore store = FileStore.open(image, true, false)) {
            cut(image, 8192);
            assertEquals(Errno.EIO, run(store, DiskOp.READ, 4096, 8192));
            assertEquals(0, run(store, DiskOp.READ, 0, 4096));
        }
    }

    @Test
    void bytesBeyondTheLastSectorAreNoPartOfTheDisk() throws Exception {
        try (FileStore store = FileStore.open(image(5000), false, false)) {
            assertEquals(4608, store.bytes());
            assertFalse(store.features().writable());
        }
    }

    @Test
    void resizeSeesTheGrownFile() throws Exception {
        Path image = image(4096);
        try (FileStore store = FileStore.open(image, true, false)) {
            cut(image, 1 << 20);
            assertEquals(4096, store.bytes());
            store.resize();
            assertEquals(1 << 20, store.bytes());
        }
    }

    @Test
    void otherThingsThanDisksAreRefusedInOneLine() throws Exception {
        refused(directory.resolve("none"), "no such file");
        refused(directory, "is a directory, not a disk");
        refused(Path.of("/dev/null"), "is neither a file nor a block device");
        refused(image(511), "has less than one sector");
    }

    @Test
    void imageWithAWriterIsRefusedToOthersUntilItIsClosed() throws Exception {
        Path image = image(4096);
        FileStore writer = FileStore.open(image, true, false);
        refused(image, "is in use: another has it open");
        assertThrows(Refused.class, () -> FileStore.open(image, false, false));
        writer.close();
        writer.close();
        try (FileStore reader = FileStore.open(image, false, false);
                FileStore second = FileStore.open(image, false, false)) {
            assertEquals(reader.bytes(), second.bytes());
            refused(image, "is in use");
        }
    }

    private static void refused(Path path, String reason) {
        Refused refused = assertThrows(Refused.class, () -> FileStore.open(path, true, false));
        assertTrue(refused.toString().contains(reason), refused.toString());
        assertFalse(refused.toString().contains("\n"));
    }

    private int run(FileStore store, DiskOp op, long offset, long bytes) {
        vectors.clear();
        if (op == DiskOp.READ || op == DiskOp.WRITE) {
            vectors.add(memory.address(), bytes);
        }
        errno = -1;
        transfer.set(op, offset, bytes);
        store.submit(transfer);
        return errno;
    }

    private Path image(int bytes) throws IOException {
        return Files.write(directory.resolve("image" + bytes), new byte[bytes]);
    }

    private static void cut(Path image, long bytes) throws IOException {
        try (var file = new RandomAccessFile(image.toFile(), "rw")) {
            file.setLength(bytes);
        }
    }
}
