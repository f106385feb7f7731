package io.xenemu.core.migration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import com.google.common.primitives.Bytes;
import io.xenemu.core.host.WorkProgress;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Collections;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import net.jqwik.api.lifecycle.AfterContainer;
import net.jqwik.api.lifecycle.BeforeContainer;

class SaveStreamPropertyTest {
    static final int PAGES = 700;

    /// Two guests with a file, so that each kind of section occurs, and most of them twice.
    private static final List<byte[]> STREAMS = new ArrayList<>();

    @BeforeContainer
    static void save() throws IOException {
        for (PageEncoding encoding : PageEncoding.values()) {
            STREAMS.add(stream(encoding));
        }
    }

    @AfterContainer
    static void forget() {
        STREAMS.clear();
    }

    private static byte[] stream(PageEncoding encoding) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        Path kernel = Files.createTempFile("kernel", "");
        Files.write(kernel, new byte[] {1, 2, 3, 4});
        try (TestGuest a = new TestGuest("a", 1, 40).fill(1, 1).fill(7, 7).fill(8, 8);
                TestGuest b = new TestGuest("b", 2, 40).fill(2, 3)) {
            SaveWriter writer = new SaveWriter(TestGuest.to(bytes), encoding);
            writer.guest(a.summary(), 7, TestGuest.config());
            writer.file(BootFile.Role.KERNEL, kernel, true);
            writer.state(a.state());
            writer.ram(a.ram(), new WorkProgress());
            b.write(writer);
            writer.end();
        } finally {
            Files.delete(kernel);
        }
        return bytes.toByteArray();
    }

    @Property(tries = 60)
    void allPagesComeBack(
            @ForAll @Size(max = 300) Set<@IntRange(max = PAGES - 1) Integer> pages,
            @ForAll PageEncoding encoding,
            @ForAll long seed) {
        try (TestGuest guest = new TestGuest("a", 1, PAGES);
                TestGuest restored = new TestGuest("a", 1, PAGES)) {
            pages.forEach(page -> guest.fill(page, seed * page));
            byte[] stream = guest.saved(encoding);
            try (SaveReader reader = new SaveReader(TestGuest.from(stream))) {
                reader.guest(FileContents.NONE);
                reader.state().readAllBytes();
                reader.ram(restored.ram(), new WorkProgress());
                assertEquals(null, reader.guest(FileContents.NONE));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            assertEquals(-1, guest.pages().mismatch(restored.pages()));
        }
    }

    /// Those of guests that move while they run. All others are in a file.
    private static final EnumSet<SectionType> LIVE =
            EnumSet.of(
                    SectionType.DISK,
                    SectionType.ROUND,
                    SectionType.BLOCKS,
                    SectionType.ROUND_END,
                    SectionType.MISSING);

    /// More sections than are packed and unpacked at a time.
    @Property(tries = 2)
    void manySectionsComeBack(@ForAll PageEncoding encoding, @ForAll long seed) throws IOException {
        int pages = 12 * SaveFormat.BATCH_PAGES;
        try (TestGuest guest = new TestGuest("a", 1, pages);
                TestGuest restored = new TestGuest("a", 1, pages)) {
            for (int page = 0; page < pages; page++) {
                guest.fill(page, seed + page);
            }
            try (SaveReader reader = new SaveReader(TestGuest.from(guest.saved(encoding)))) {
                reader.guest(FileContents.NONE);
                reader.state().readAllBytes();
                reader.ram(restored.ram(), new WorkProgress());
                assertEquals(null, reader.guest(FileContents.NONE));
            }
            assertEquals(-1, guest.pages().mismatch(restored.pages()));
        }
    }

    @Property(tries = 400)
    void changedBitIsFound(@ForAll boolean packed, @ForAll @IntRange int at) {
        byte[] stream = STREAMS.get(packed ? 1 : 0).clone();
        int bit = Math.floorMod(at, stream.length * Byte.SIZE);
        stream[bit / Byte.SIZE] ^= (byte) (1 << bit % Byte.SIZE);
        assertRefused(stream);
    }

    /// A lazy restore reads the rest when the guest runs.
    @Property(tries = 400)
    void changedBitIsFoundUnlessItIsInContentThatComesLater(
            @ForAll boolean packed, @ForAll @IntRange int at) throws IOException {
        byte[] stream = STREAMS.get(packed ? 1 : 0).clone();
        int bit = Math.floorMod(at, stream.length * Byte.SIZE);
        boolean later = later(stream).get(bit / Byte.SIZE);
        stream[bit / Byte.SIZE] ^= (byte) (1 << bit % Byte.SIZE);
        try {
            find(stream);
            assertTrue(later, () -> "byte " + bit / Byte.SIZE);
        } catch (WireException e) {
            assertOneLine(e);
        }
    }

    @Property(tries = 1)
    void wholeStreamIsFoundAndNoContentIsRead() throws IOException {
        for (byte[] stream : STREAMS) {
            byte[] changed = stream.clone();
            BitSet later = later(stream);
            // The last bytes of contents: before them are heads of sections of pages.
            for (int at = later.nextClearBit(later.nextSetBit(0)); at > 0; ) {
                changed[at - 1] ^= 1;
                int next = later.nextSetBit(at);
                at = next < 0 ? 0 : later.nextClearBit(next);
            }
            find(stream);
            find(changed);
            assertRefused(changed);
        }
    }

    /// The bytes of files and of sections of pages.
    private static BitSet later(byte[] stream) {
        BitSet later = new BitSet();
        int at = 0;
        boolean isFile = false;
        for (byte[] section : sections(stream)) {
            int code = ByteBuffer.wrap(section).order(ByteOrder.LITTLE_ENDIAN).getInt(0);
            isFile |= code == SectionType.FILE.code();
            isFile &= code != SectionType.STATE.code();
            if (code == SectionType.PAGES.code() || (isFile && code == SectionType.DATA.code())) {
                later.set(
                        at + SaveFormat.SECTION_HEADER_BYTES,
                        at + section.length - SaveFormat.CRC_BYTES);
            }
            at += section.length;
        }
        return later;
    }

    /// Reads what a lazy restore reads before the guest runs.
    private static void find(byte[] stream) throws IOException {
        Path path = Files.createTempFile("saved", "");
        try {
            Files.write(path, stream);
            try (FileChannel file = FileChannel.open(path);
                    SaveReader reader = new SaveReader(file)) {
                while (reader.findGuest(FileContents.NONE, file) != null) {
                    reader.state().readAllBytes();
                    reader.findRam(file, 40L * TestGuest.PAGE).close();
                }
                reader.requireNoMore();
            }
        } finally {
            Files.delete(path);
        }
    }

    @Property(tries = 200)
    void cutStreamIsFound(@ForAll @IntRange int at) {
        byte[] stream = STREAMS.getFirst();
        assertRefused(Arrays.copyOf(stream, Math.floorMod(at, stream.length)));
    }

    @Property(tries = 20)
    void longerStreamIsFound(@ForAll @Size(min = 1, max = 40) byte[] more) {
        assertRefused(Bytes.concat(STREAMS.getFirst(), more));
    }

    /// Every pair of sections.
    @Property(tries = 1)
    void exchangedSectionsAreFound() {
        List<byte[]> sections = sections(STREAMS.getFirst());
        for (int i = 1; i < sections.size(); i++) {
            for (int j = i + 1; j < sections.size(); j++) {
                if (!Arrays.equals(sections.get(i), sections.get(j))) {
                    List<byte[]> changed = new ArrayList<>(sections);
                    Collections.swap(changed, i, j);
                    assertRefused(changed);
                }
            }
        }
    }

    @Property(tries = 1)
    void repeatedAndMissingSectionsAreFound() {
        List<byte[]> sections = sections(STREAMS.getFirst());
        for (int i = 0; i < sections.size(); i++) {
            List<byte[]> missing = new ArrayList<>(sections);
            missing.remove(i);
            assertRefused(missing);
            for (int to = i; to < sections.size(); to++) {
                List<byte[]> repeated = new ArrayList<>(sections);
                repeated.add(to, sections.get(i));
                assertRefused(repeated);
            }
        }
    }

    /// A writer that means harm has right checksums.
    @Property(tries = 500)
    void anySectionsAreReadOrRefused(
            @ForAll @Size(max = 12) List<SectionType> types,
            @ForAll @Size(min = 1, max = 12) List<@Size(max = 60) byte[]> bodies,
            @ForAll @IntRange(min = 0, max = 2) int version)
            throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        SectionWriter writer = new SectionWriter(TestGuest.to(bytes));
        for (int i = 0; i < types.size(); i++) {
            write(writer, types.get(i), version, bodies.get(i % bodies.size()));
        }
        assertReadOrRefused(bytes.toByteArray());
    }

    /// Bodies that are changed, with the right checksum, reach what reads them.
    @Property(tries = 600)
    void changedBodiesAreReadOrRefused(
            @ForAll boolean packed,
            @ForAll @IntRange int which,
            @ForAll @IntRange int at,
            @ForAll long value,
            @ForAll @IntRange(min = 1, max = 8) int length)
            throws IOException {
        List<byte[]> sections = sections(STREAMS.get(packed ? 1 : 0));
        int changed = 1 + Math.floorMod(which, sections.size() - 2);
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        SectionWriter writer = new SectionWriter(TestGuest.to(bytes));
        for (int i = 1; i < sections.size() - 1; i++) {
            ByteBuffer section = ByteBuffer.wrap(sections.get(i)).order(ByteOrder.LITTLE_ENDIAN);
            byte[] body = new byte[section.getInt(8)];
            section.get(SaveFormat.SECTION_HEADER_BYTES, body);
            // The beginning has most of the fields.
            int span = Math.min(body.length, 64);
            if (i == changed && span > 0) {
                for (int j = 0; j < length; j++) {
                    body[(Math.floorMod(at, span) + j) % body.length] =
                            (byte) (value >> (j * Byte.SIZE));
                }
            }
            write(writer, SectionType.of(section.getInt(0)), section.getInt(4), body);
        }
        StreamAccount account = writer.account();
        BodyWriter end = new BodyWriter().u32(2).u64(account.sections()).u64(account.bytes());
        writer.write(SectionType.END, SaveFormat.VERSION, end.bytes(account.digest()));
        assertReadOrRefused(bytes.toByteArray());
    }

    private static void write(SectionWriter writer, SectionType type, int version, byte[] body)
            throws IOException {
        ByteBuffer section =
                ByteBuffer.allocate(
                                SaveFormat.SECTION_HEADER_BYTES
                                        + body.length
                                        + SaveFormat.CRC_BYTES)
                        .order(ByteOrder.LITTLE_ENDIAN);
        section.put(SaveFormat.SECTION_HEADER_BYTES, body);
        writer.write(type, version, section, 0, SaveFormat.SECTION_HEADER_BYTES + body.length);
    }

    /// The header and each section.
    private static List<byte[]> sections(byte[] stream) {
        List<byte[]> sections = new ArrayList<>();
        sections.add(Arrays.copyOf(stream, SaveFormat.HEADER_BYTES));
        ByteBuffer fields = ByteBuffer.wrap(stream).order(ByteOrder.LITTLE_ENDIAN);
        Set<Integer> types = new TreeSet<>();
        for (int at = SaveFormat.HEADER_BYTES; at < stream.length; ) {
            int end =
                    at
                            + SaveFormat.SECTION_HEADER_BYTES
                            + fields.getInt(at + 8)
                            + SaveFormat.CRC_BYTES;
            types.add(fields.getInt(at));
            sections.add(Arrays.copyOfRange(stream, at, end));
            at = end;
        }
        assertEquals(
                EnumSet.complementOf(LIVE).stream()
                        .map(SectionType::code)
                        .collect(Collectors.toCollection(TreeSet::new)),
                types);
        return sections;
    }

    private static void assertRefused(List<byte[]> sections) {
        assertRefused(Bytes.concat(sections.toArray(byte[][]::new)));
    }

    private static void assertRefused(byte[] stream) {
        WireException e = assertThrows(WireException.class, () -> TestGuest.readAll(stream));
        assertOneLine(e);
    }

    private static void assertReadOrRefused(byte[] stream) {
        try {
            TestGuest.readAll(stream);
        } catch (WireException e) {
            assertOneLine(e);
        } catch (IOException e) {
            fail(e);
        }
    }

    private static void assertOneLine(WireException e) {
        String message = String.valueOf(e.getMessage());
        assertEquals(1, message.lines().count(), message);
    }
}
