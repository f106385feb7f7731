package io.xenemu.core.migration;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.host.WorkProgress;
import io.xenemu.kvm.wire.WireException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class SaveStreamTest {
    private static final byte[] KERNEL = new byte[3 * SaveFormat.CHUNK_BYTES / 2];

    @TempDir private Path folder;

    @ParameterizedTest
    @EnumSource(PageEncoding.class)
    void guestComesBackAndItsHolesStayHoles(PageEncoding encoding) throws IOException {
        try (TestGuest guest = new TestGuest("a", 5, 2000);
                TestGuest restored = new TestGuest("a", 5, 2000)) {
            for (int page = 100; page < 900; page++) {
                guest.fill(page, page);
            }
            guest.fill(0, 1).fill(1999, 2).fill(1500, 3);
            guest.pages().asSlice(1500L * SaveFormat.PAGE, SaveFormat.PAGE).fill((byte) 0);
            byte[] stream = guest.saved(encoding);
            try (SaveReader reader = new SaveReader(TestGuest.from(stream))) {
                SavedHead head = present(reader.guest(FileContents.NONE));
                assertEquals(guest.summary(), head.guest());
                assertEquals(7, head.config().version());
                assertEquals("configuration", head.config().body().string(100));
                assertEquals(List.of(), head.files());
                assertArrayEquals(guest.state(), reader.state().readAllBytes());
                WorkProgress progress = new WorkProgress();
                assertEquals(802, reader.ram(restored.ram(), progress));
                assertEquals(2000, progress.done());
                assertEquals(2000, progress.total());
                assertNull(reader.guest(FileContents.NONE));
                reader.requireNoMore();
                assertEquals(stream.length, reader.bytes());
            }
            // Before the comparison, which touches all of them.
            Set<Long> pages = restored.withMemory();
            assertTrue(!pages.contains(50L) && !pages.contains(1500L), pages::toString);
            assertEquals(-1, guest.pages().mismatch(restored.pages()));
        }
    }

    private static SavedHead present(@Nullable SavedHead head) {
        return Objects.requireNonNull(head, "the stream has ended");
    }

    @Test
    void compressedPagesAreShorter() {
        // One section: a compressor has time for the first one at least.
        try (TestGuest guest = new TestGuest("a", 5, 256)) {
            for (int page = 0; page < 256; page++) {
                guest.fill(page, page);
            }
            int plain = guest.saved(PageEncoding.NONE).length;
            int packed = guest.saved(PageEncoding.ZSTD).length;
            assertTrue(packed < plain / 10, () -> packed + " of " + plain);
        }
    }

    @Test
    void streamHasSeveralGuestsWithTheirFiles() throws IOException {
        KERNEL[KERNEL.length - 1] = 42;
        Path kernel = Files.write(folder.resolve("vmlinuz"), KERNEL);
        Path module = Files.write(folder.resolve("initrd"), new byte[] {1, 2, 3});
        Path stream = folder.resolve("stream");
        try (TestGuest a = new TestGuest("a", 1, 10);
                TestGuest b = new TestGuest("b", 2, 20);
                FileChannel out =
                        FileChannel.open(
                                stream, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            SaveWriter writer = new SaveWriter(out, PageEncoding.NONE);
            a.fill(3, 3).write(writer);
            writer.guest(b.summary(), 7, TestGuest.config());
            writer.file(BootFile.Role.KERNEL, kernel, true);
            writer.file(BootFile.Role.MODULE, module, false);
            writer.state(b.state());
            writer.ram(b.ram(), new WorkProgress());
            writer.end();
        }
        Map<String, ByteArrayOutputStream> contents = new HashMap<>();
        try (FileChannel in = FileChannel.open(stream);
                SaveReader reader = new SaveReader(in)) {
            assertEquals("a", present(reader.guest(FileContents.NONE)).guest().name());
            reader.state().readAllBytes();
            reader.checkRam(new WorkProgress());
            SavedHead head =
                    present(
                            reader.guest((role, path, _) ->
                                    TestGuest.to(
                                            contents.computeIfAbsent(
                                                    role + path,
                                                    _ -> new ByteArrayOutputStream()))));
            reader.state().readAllBytes();
            reader.checkRam(new WorkProgress());
            assertNull(reader.guest(FileContents.NONE));
            assertEquals(
                    List.of(true, false), head.files().stream().map(BootFile::isIncluded).toList());
            BootFile wanted = head.files().getLast();
            wanted.requireSame(module);
            WireException other =
                    assertThrows(WireException.class, () -> wanted.requireSame(kernel));
            assertEquals(
                    kernel + " is not the file that the guest was booted from", other.getMessage());
        }
        assertEquals(Set.of("KERNEL" + kernel), contents.keySet());
        assertArrayEquals(KERNEL, contents.values().iterator().next().toByteArray());
    }

    @Test
    void guestsOfOneIdAreRefused() throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (TestGuest a = new TestGuest("a", 1, 10);
                TestGuest b = new TestGuest("b", 1, 10)) {
            SaveWriter writer = new SaveWriter(TestGuest.to(bytes), PageEncoding.NONE);
            a.write(writer);
            b.write(writer);
            writer.end();
        }
        WireException e =
                assertThrows(WireException.class, () -> TestGuest.readAll(bytes.toByteArray()));
        assertEquals("two guests of one name or domain id", e.getMessage());
    }

    @Test
    void memoryOfAnotherSizeIsRefused() throws IOException {
        try (TestGuest guest = new TestGuest("a", 1, 10);
                TestGuest other = new TestGuest("a", 1, 11);
                SaveReader reader =
                        new SaveReader(TestGuest.from(guest.saved(PageEncoding.NONE)))) {
            reader.guest(FileContents.NONE);
            reader.state().readAllBytes();
            WireException e =
                    assertThrows(
                            WireException.class, () -> reader.ram(other.ram(), new WorkProgress()));
            assertEquals("RAM of 10 pages for a domain with 11", e.getMessage());
        }
    }

    @Test
    void saveAndRestoreCanBeCancelled() throws IOException {
        WorkProgress cancelled = new WorkProgress();
        cancelled.cancel();
        try (TestGuest guest = new TestGuest("a", 1, 10).fill(4, 4)) {
            SaveWriter writer =
                    new SaveWriter(TestGuest.to(new ByteArrayOutputStream()), PageEncoding.NONE);
            writer.guest(guest.summary(), 1, TestGuest.config());
            writer.state(guest.state());
            assertThrows(SaveCancelledException.class, () -> writer.ram(guest.ram(), cancelled));
            try (SaveReader reader =
                    new SaveReader(TestGuest.from(guest.saved(PageEncoding.NONE)))) {
                reader.guest(FileContents.NONE);
                reader.state().readAllBytes();
                assertThrows(
                        SaveCancelledException.class, () -> reader.ram(guest.ram(), cancelled));
            }
        }
    }

    @Test
    void unreadStateIsAnError() throws IOException {
        try (TestGuest guest = new TestGuest("a", 1, 10);
                SaveReader reader =
                        new SaveReader(TestGuest.from(guest.saved(PageEncoding.NONE)))) {
            reader.guest(FileContents.NONE);
            assertEquals('s', reader.state().read());
            WireException e =
                    assertThrows(WireException.class, () -> reader.checkRam(new WorkProgress()));
            assertEquals("state of a guest goes on after its end", e.getMessage());
        }
    }

    @Test
    void fullDiskIsOneReason() throws IOException {
        try (TestGuest guest = new TestGuest("a", 1, 10).fill(4, 4);
                FileChannel full =
                        FileChannel.open(Path.of("/dev/full"), StandardOpenOption.WRITE)) {
            IOException e =
                    assertThrows(
                            IOException.class,
                            () -> guest.write(new SaveWriter(full, PageEncoding.NONE)));
            assertEquals("No space left on device", e.getMessage());
        }
    }

    @Test
    void sectionsHaveAnOrder() throws IOException {
        try (TestGuest guest = new TestGuest("a", 1, 10)) {
            SaveWriter writer =
                    new SaveWriter(TestGuest.to(new ByteArrayOutputStream()), PageEncoding.NONE);
            assertThrows(IllegalStateException.class, () -> writer.state(guest.state()));
            writer.guest(guest.summary(), 1, TestGuest.config());
            assertThrows(
                    IllegalStateException.class, () -> writer.ram(guest.ram(), new WorkProgress()));
            assertThrows(IllegalStateException.class, writer::end);
        }
    }
}
