package io.xenemu.kvm.file;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Scanner;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HostFileTest {
    private static final Set<HostFile.Access> WRITE = Set.of(HostFile.Access.WRITE);

    @TempDir Path directory;
    private final Arena arena = Arena.ofConfined();
    private final IoVectors vectors = new IoVectors(arena, 4);

    @AfterEach
    void close() {
        arena.close();
    }

    @Test
    void allIsWrittenAndReadUnlessTheFileEnds() throws IOException {
        MemorySegment memory = arena.allocate(1000);
        memory.fill((byte) 3);
        try (HostFile file = HostFile.open(file(1500), WRITE)) {
            vectors.add(memory.address(), 1000);
            assertEquals(0, file.writeAll(vectors, 500));
            assertEquals(0, vectors.bytes());
            memory.fill((byte) 0);
            vectors.add(memory.address(), 1000);
            assertEquals(0, file.readAll(vectors, 500));
            assertEquals(3, memory.get(ValueLayout.JAVA_BYTE, 999));
            vectors.add(memory.address(), 1000);
            assertEquals(Errno.EIO, file.readAll(vectors, 501));
            assertEquals(1, vectors.bytes());
        }
        vectors.clear();
        try (HostFile unwritable = HostFile.open(file(1500), Set.of())) {
            vectors.add(memory.address(), 1000);
            assertEquals(Errno.EBADF, unwritable.writeAll(vectors, 0));
        }
    }

    @Test
    void dataGoesToAndFromScatteredMemory() throws IOException {
        Path path = file(8192);
        MemorySegment memory = arena.allocate(4096, 4096);
        memory.asSlice(0, 512).fill((byte) 1);
        memory.asSlice(2048, 1024).fill((byte) 2);
        vectors.add(memory.address() + 2048, 1024);
        vectors.add(memory.address(), 512);
        try (HostFile file = HostFile.open(path, WRITE)) {
            assertEquals(1536, file.write(vectors, 100));
            assertEquals(0, file.sync());
            byte[] bytes = Files.readAllBytes(path);
            assertEquals(0, bytes[99]);
            assertEquals(2, bytes[100]);
            assertEquals(1, bytes[1124]);
            assertEquals(0, bytes[1636]);

            vectors.clear();
            vectors.add(memory.address(), 4096);
            assertEquals(4096, file.read(vectors, 100));
            assertEquals(2, memory.get(ValueLayout.JAVA_BYTE, 1023));
            assertEquals(0, file.read(vectors, 8192));
            assertEquals(92, file.read(vectors, 8100));
        }
    }

    @Test
    void lockOfAnotherIsSeenAndNotTaken() throws IOException {
        Path path = file(512);
        try (HostFile mine = HostFile.open(path, WRITE);
                HostFile other = HostFile.open(path, Set.of())) {
            assertFalse(other.isLockedByOther());
            assertEquals(0, mine.lock(false));
            assertFalse(mine.isLockedByOther(), "its own");
            assertTrue(other.isLockedByOther(), "a reader's");
            assertEquals(0, mine.lock(true));
            assertTrue(other.isLockedByOther());
            assertEquals(-Errno.EAGAIN, other.lock(false));
        }
    }

    @Test
    void forgottenPagesAreReadAgain() throws IOException {
        Path path = file(4096);
        MemorySegment memory = arena.allocate(4096, 4096).fill((byte) 5);
        vectors.add(memory.address(), 4096);
        try (HostFile file = HostFile.open(path, WRITE)) {
            assertEquals(4096, file.write(vectors, 0));
            assertEquals(0, file.sync());
            assertEquals(0, file.forgetCached());
            memory.fill((byte) 0);
            assertEquals(4096, file.read(vectors, 0));
            assertEquals(5, memory.get(ValueLayout.JAVA_BYTE, 4095));
        }
    }

    @Test
    void failuresAreErrnos() throws IOException {
        Path path = file(512);
        vectors.add(arena.allocate(512).address(), 512);
        try (HostFile file = HostFile.open(path, Set.of())) {
            assertEquals(-Errno.EBADF, file.write(vectors, 0));
            assertEquals(-Errno.EINVAL, file.read(vectors, -1));
            assertEquals(-Errno.EBADF, file.punchHole(0, 512));
        }
        KvmException missing =
                assertThrows(
                        KvmException.class,
                        () -> HostFile.open(directory.resolve("none"), Set.of()));
        assertEquals(Errno.ENOENT, missing.errno());
    }

    @Test
    void statusTellsKindAndSize() throws IOException {
        try (HostFile file = HostFile.open(file(777), Set.of());
                HostFile folder = HostFile.open(directory, Set.of());
                HostFile device = HostFile.open(Path.of("/dev/null"), Set.of())) {
            assertEquals(FileStatus.Kind.REGULAR, file.status().kind());
            assertEquals(777, file.status().bytes());
            assertEquals(FileStatus.Kind.DIRECTORY, folder.status().kind());
            assertEquals(FileStatus.Kind.OTHER, device.status().kind());
            assertFalse(file.isReadOnlyDevice());
        }
    }

    @Test
    void holesAndZeroRangesReadAsZerosAndKeepTheSize() throws IOException {
        Path path = file(0);
        byte[] ones = new byte[1 << 20];
        Arrays.fill(ones, (byte) 1);
        Files.write(path, ones);
        try (HostFile file = HostFile.open(path, WRITE)) {
            long before = blocks(path);
            int punched = file.punchHole(4096, 512 * 1024);
            assumeTrue(punched != -Errno.EOPNOTSUPP, "the file system has no holes");
            assertEquals(0, punched);
            assertTrue(blocks(path) < before);
            int zeroed = file.zeroRange(1 << 19, 8192);
            assertTrue(zeroed == 0 || zeroed == -Errno.EOPNOTSUPP, "errno " + -zeroed);
        }
        byte[] bytes = Files.readAllBytes(path);
        assertEquals(1 << 20, bytes.length);
        assertEquals(1, bytes[4095]);
        assertEquals(0, bytes[4096]);
        assertEquals(1, bytes[bytes.length - 1]);
    }

    @Test
    void writerLocksOthersOutAndReadersShare() throws IOException {
        Path path = file(512);
        HostFile reader = HostFile.open(path, Set.of());
        HostFile other = HostFile.open(path, Set.of());
        try (HostFile writer = HostFile.open(path, WRITE)) {
            assertEquals(0, reader.lock(false));
            assertEquals(0, other.lock(false));
            assertEquals(-Errno.EAGAIN, writer.lock(true));
            other.close();
            assertEquals(-Errno.EAGAIN, writer.lock(true));
            reader.close();
            assertEquals(0, writer.lock(true));
        } finally {
            reader.close();
            other.close();
        }
    }

    @Test
    void closedFileIsNotUsed() throws IOException {
        HostFile file = HostFile.open(file(512), Set.of());
        file.close();
        file.close();
        assertThrows(IllegalStateException.class, file::sync);
    }

    @Test
    void dataIsFoundBehindHoles() throws IOException {
        Path path = file(1 << 20);
        try (HostFile file = HostFile.open(path, WRITE)) {
            assumeTrue(file.punchHole(0, 1 << 20) == 0, "the file system has no holes");
            assertEquals(0, file.allocatedBytes());
            assertEquals(Long.MAX_VALUE, file.nextData(0));
            vectors.add(arena.allocate(512).fill((byte) 1).address(), 512);
            assertEquals(512, file.write(vectors, 1 << 19));
            long data = file.nextData(0);
            assertTrue(data > 0 && data <= 1 << 19, "data at " + data);
            assertEquals((1 << 19) + 100, file.nextData((1 << 19) + 100));
            assertEquals(Long.MAX_VALUE, file.nextData(1 << 20));
            assertTrue(file.allocatedBytes() > 0 && file.allocatedBytes() < 1 << 19);
        }
    }

    private Path file(int bytes) throws IOException {
        return Files.write(directory.resolve("f" + bytes), new byte[bytes]);
    }

    /// KiB that the file takes on its disk.
    private static long blocks(Path path) throws IOException {
        Process du = new ProcessBuilder("du", "-k", path.toString()).start();
        try (var output = new Scanner(du.getInputStream(), StandardCharsets.UTF_8)) {
            return output.nextLong();
        }
    }
}
