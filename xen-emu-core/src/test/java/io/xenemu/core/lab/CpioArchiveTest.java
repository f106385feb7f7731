package io.xenemu.core.lab;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

final class CpioArchiveTest {
    /// One entry as read back.
    private record Entry(String name, int mode, int device, ByteBuffer content) {}

    @Test
    void parentsComeOnceAndBeforeTheirFiles() throws IOException {
        List<String> names =
                read(archive -> archive.file("a/b/one", new byte[1]).file("a/b/two", new byte[2]))
                        .stream()
                        .map(Entry::name)
                        .toList();

        assertEquals(List.of("a", "a/b", "a/b/one", "a/b/two", "TRAILER!!!"), names);
    }

    @Test
    void typesAndModesAreThoseOfStat() throws IOException {
        List<Integer> modes =
                read(archive ->
                                archive.directory("d")
                                        .file("f", new byte[0])
                                        .executable("x", new byte[0])
                                        .symlink("l", "f")
                                        .characterDevice("c", 5, 1))
                        .stream()
                        .map(Entry::mode)
                        .limit(5)
                        .toList();

        assertEquals(List.of(0040755, 0100644, 0100755, 0120777, 0020600), modes);
    }

    @Test
    void deviceNumbersAreTheDevicesOwn() throws IOException {
        Entry console = read(archive -> archive.characterDevice("console", 5, 1)).getFirst();

        assertEquals(5 << 8 | 1, console.device());
    }

    @Property(tries = 100)
    void contentOfAnyLengthIsReadBack(@ForAll byte[] first, @ForAll byte[] second)
            throws IOException {
        List<Entry> entries = read(archive -> archive.file("f", first).file("gg", second));

        assertArrayEquals(first, entries.get(0).content().array());
        assertArrayEquals(second, entries.get(1).content().array());
    }

    @FunctionalInterface
    private interface Content {
        CpioArchive addTo(CpioArchive archive) throws IOException;
    }

    /// Reads as the kernel does: fields in hexadecimal, names and contents padded to four bytes.
    private static List<Entry> read(Content content) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (CpioArchive archive = new CpioArchive(out)) {
            content.addTo(archive);
        }
        byte[] bytes = out.toByteArray();
        List<Entry> entries = new ArrayList<>();
        int at = 0;
        while (at < bytes.length) {
            assertEquals("070701", new String(bytes, at, 6, US_ASCII));
            int[] fields = new int[13];
            for (int i = 0; i < fields.length; i++) {
                fields[i] =
                        Integer.parseUnsignedInt(
                                new String(bytes, at + 6 + 8 * i, 8, US_ASCII), 16);
            }
            int nameEnd = at + 110 + fields[11];
            String name = new String(bytes, at + 110, fields[11] - 1, US_ASCII);
            int start = nameEnd + 3 & ~3;
            byte[] data = Arrays.copyOfRange(bytes, start, start + fields[6]);
            entries.add(
                    new Entry(name, fields[1], fields[9] << 8 | fields[10], ByteBuffer.wrap(data)));
            at = start + fields[6] + 3 & ~3;
        }
        return entries;
    }
}
