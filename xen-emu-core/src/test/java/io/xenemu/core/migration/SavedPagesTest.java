package io.xenemu.core.migration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.wire.WireException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// The pages of a saved guest, read in another order than the stream's.
class SavedPagesTest {
    private static final int PAGES = 2000;

    private final TestGuest guest = new TestGuest("a", 5, PAGES);
    @TempDir private Path folder = Path.of("");
    private Path file = Path.of("");

    @BeforeEach
    void fill() {
        file = folder.resolve("saved");
        for (int page = 100; page < 900; page++) {
            guest.fill(page, page);
        }
        guest.fill(0, 1).fill(PAGES - 1, 2);
    }

    @AfterEach
    void close() {
        guest.close();
    }

    private static void toPages(SaveReader reader) throws IOException {
        reader.guest(FileContents.NONE);
        reader.state().readAllBytes();
    }

    /// Finds the pages, and checks the stream's end.
    private static SavedPages find(FileChannel in, long bytes) throws IOException {
        try (SaveReader reader = new SaveReader(in)) {
            toPages(reader);
            SavedPages pages = reader.findRam(in, bytes);
            try {
                assertNull(reader.guest(FileContents.NONE));
                reader.requireNoMore();
                return pages;
            } catch (IOException e) {
                pages.close();
                throw e;
            }
        }
    }

    @ParameterizedTest
    @EnumSource(PageEncoding.class)
    void sectionsCanBeReadInAnyOrder(PageEncoding encoding) throws IOException {
        Files.write(file, guest.saved(encoding));
        try (TestGuest copy = new TestGuest("b", 6, PAGES);
                FileChannel in = FileChannel.open(file);
                SavedPages pages = find(in, guest.pages().byteSize());
                SavedPages again = SavedPages.find(in, pages.start(), PAGES)) {
            assertEquals(802, again.count());
            assertEquals(4, again.sections());
            assertTrue(again.has(0) && again.has(899) && !again.has(900));
            for (int section : new int[] {2, 0, 3, 1, 2}) {
                again.read(
                        section,
                        (first, run) ->
                                MemorySegment.copy(
                                        run, 0, copy.pages(), first * 4096, run.byteSize()));
            }
            assertEquals(-1, guest.pages().mismatch(copy.pages()));
            for (int page = 0; page < PAGES; page++) {
                if (again.has(page)) {
                    boolean[] found = {false};
                    int wanted = page;
                    again.read(
                            again.sectionOf(page),
                            (first, run) -> {
                                found[0] |=
                                        wanted >= first && wanted < first + run.byteSize() / 4096;
                            });
                    assertTrue(found[0], () -> "page " + wanted);
                }
                page += page % 7;
            }
        }
    }

    @Test
    void damagedSectionIsFoundWhenItIsRead() throws IOException {
        Files.write(file, guest.saved(PageEncoding.NONE));
        try (FileChannel in =
                        FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE);
                SavedPages pages = find(in, guest.pages().byteSize())) {
            in.write(ByteBuffer.wrap(new byte[] {1}), pages.start() + 5000);
            assertEquals(
                    "section PAGE: checksum is wrong",
                    assertThrows(WireException.class, () -> pages.read(0, (_, _) -> {}))
                            .getMessage());
            pages.read(1, (_, _) -> {});
            in.truncate(pages.start() + 6000);
            assertEquals(
                    "the saved guest is cut off",
                    assertThrows(WireException.class, () -> pages.read(1, (_, _) -> {}))
                            .getMessage());
        }
    }

    /// Each bit outside of the pages themselves is checked before anything runs.
    @Test
    void changedHeadsAreRefused() throws IOException {
        byte[] good = guest.saved(PageEncoding.ZSTD);
        Files.write(file, good);
        int start;
        try (FileChannel in = FileChannel.open(file);
                SavedPages pages = find(in, guest.pages().byteSize())) {
            start = Math.toIntExact(pages.start());
        }
        for (int at = start; at < start + 28; at++) {
            byte[] bad = good.clone();
            bad[at] ^= 1;
            assertRefused(bad, at);
        }
        for (int at = good.length - 120; at < good.length; at++) {
            byte[] bad = good.clone();
            bad[at] ^= 4;
            assertRefused(bad, at);
        }
        for (int length = start; length < good.length; length += 61) {
            assertRefused(Arrays.copyOf(good, length), length);
        }
        Files.write(file, good);
        try (FileChannel in = FileChannel.open(file)) {
            assertThrows(WireException.class, () -> find(in, 4096));
        }
    }

    /// A head that was changed can only be accepted if its section is refused later.
    private void assertRefused(byte[] bad, int at) throws IOException {
        Files.write(file, bad);
        try (FileChannel in = FileChannel.open(file)) {
            SavedPages pages;
            try {
                pages = find(in, guest.pages().byteSize());
            } catch (WireException e) {
                return;
            }
            try (pages) {
                assertThrows(
                        WireException.class,
                        () -> {
                            for (int section = 0; section < pages.sections(); section++) {
                                pages.read(section, (_, _) -> {});
                            }
                        },
                        () -> "at " + at);
            }
        }
    }
}
