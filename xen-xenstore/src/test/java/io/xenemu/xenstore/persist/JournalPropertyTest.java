package io.xenemu.xenstore.persist;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.testing.Rounds;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.TreeMap;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.NotEmpty;
import net.jqwik.api.constraints.Size;
import org.jspecify.annotations.Nullable;

/// A store's file gives every acknowledged change back after a crash at any point, and damage is reported.
class JournalPropertyTest {
    /// Each run takes other positions of a file, and all of them are taken in time.
    private static final int STRIDE = 5;

    /// A file with some commits, and what it held at each of its lengths.
    @SuppressWarnings("ArrayRecordComponent") // never compared
    private record Written(byte[] bytes, TreeMap<Long, String> states) {
        static Written of(Path file, List<List<Integer>> batches) throws IOException {
            TreeMap<Long, String> states = new TreeMap<>();
            ImageSource source = new ImageSource();
            try (Journal journal = Journal.open(file, ImageSource.metrics())) {
                journal.start(
                        source,
                        failure -> {
                            throw new IllegalStateException(failure);
                        });
                states.put(Files.size(file), "" + ImageSource.text(source.get()));
                for (List<Integer> batch : batches) {
                    batch.forEach(source::change);
                    journal.commit();
                    states.put(Files.size(file), "" + ImageSource.text(source.get()));
                }
            }
            return new Written(Files.readAllBytes(file), states);
        }

        @Nullable String stateAt(long length) {
            var entry = states.floorEntry(length);
            return entry == null ? null : entry.getValue();
        }

        long lastRecord() {
            Long before = states.lowerKey(states.lastKey());
            return before == null ? RecordFile.HEADER_BYTES : before;
        }
    }

    private static Path folder() throws IOException {
        return Files.createTempDirectory("journal");
    }

    private static void remove(Path folder) throws IOException {
        Files.deleteIfExists(folder.resolve("store"));
        Files.deleteIfExists(folder.resolve("copy"));
        Files.delete(folder);
    }

    @Property(tries = 8)
    void cutAnywhereLeavesTheCommitsBefore(
            @ForAll @Size(max = 8) List<@Size(max = 4) List<Integer>> batches,
            @ForAll @IntRange(max = STRIDE - 1) int first)
            throws IOException {
        Path folder = folder();
        Written written = Written.of(folder.resolve("store"), batches);
        Path copy = folder.resolve("copy");
        int stride = Rounds.stride(STRIDE);
        for (int length = first % stride; length <= written.bytes.length; length += stride) {
            Files.write(copy, Arrays.copyOf(written.bytes, length));
            assertEquals(written.stateAt(length), ImageSource.recovered(copy), "cut at " + length);
        }
        remove(folder);
    }

    /// A disk that got the new length of the file first, or some pages of the last record only.
    @Property(tries = 20)
    void zerosInsteadOfTheEndKeepTheCommitsBefore(
            @ForAll @NotEmpty @Size(max = 6) List<@Size(max = 4) List<Integer>> batches)
            throws IOException {
        Path folder = folder();
        Written written = Written.of(folder.resolve("store"), batches);
        Path copy = folder.resolve("copy");
        int from = (int) written.lastRecord();
        byte[] bytes = written.bytes.clone();
        Arrays.fill(bytes, from, bytes.length, (byte) 0);
        Files.write(copy, Arrays.copyOf(bytes, bytes.length + 100));
        assertEquals(written.stateAt(from), ImageSource.recovered(copy));
        remove(folder);
    }

    /// A record that is written into room, of which only some sectors were on the disk, in whatever order.
    @Property(tries = 50)
    void someSectorsOfTheLastRecordLeaveTheCommitsBefore(
            @ForAll @NotEmpty @Size(max = 30) List<@Size(max = 30) List<Integer>> batches,
            @ForAll long written512,
            @ForAll @IntRange(max = 2000) int room)
            throws IOException {
        Path folder = folder();
        Written written = Written.of(folder.resolve("store"), batches);
        Path copy = folder.resolve("copy");
        int from = (int) written.lastRecord();
        byte[] bytes = Arrays.copyOf(written.bytes, written.bytes.length + room);
        boolean whole = true;
        for (int at = from; at < written.bytes.length; at++) {
            if ((written512 >> (at / 512 - from / 512) & 1) == 0) {
                whole &= bytes[at] == 0;
                bytes[at] = 0;
            }
        }
        Files.write(copy, bytes);
        assertEquals(
                written.stateAt(whole ? written.bytes.length : from), ImageSource.recovered(copy));
        remove(folder);
    }

    /// Every acknowledged change is there, or the damage is reported. Only the last record cannot be told from one that
    /// never was acknowledged.
    @Property(tries = 10)
    void damageIsReportedUnlessItIsAtTheEnd(
            @ForAll @NotEmpty @Size(max = 6) List<@Size(max = 4) List<Integer>> batches,
            @ForAll byte flip,
            @ForAll @IntRange(max = STRIDE - 1) int first)
            throws IOException {
        byte change = flip == 0 ? 1 : flip;
        Path folder = folder();
        Written written = Written.of(folder.resolve("store"), batches);
        Path copy = folder.resolve("copy");
        int stride = Rounds.stride(STRIDE);
        for (int at = first % stride; at < written.bytes.length; at += stride) {
            byte[] bytes = written.bytes.clone();
            bytes[at] ^= change;
            Files.write(copy, bytes);
            try {
                String state = ImageSource.recovered(copy);
                assertTrue(at >= written.lastRecord(), "damage at " + at + " was not seen");
                assertEquals(written.stateAt(written.lastRecord()), state);
            } catch (PersistException e) {
                String message = String.valueOf(e.getMessage());
                assertTrue(message.startsWith(copy + ": damaged at byte "), message);
                assertEquals(1, message.lines().count());
            }
        }
        remove(folder);
    }

    /// A start of the header is a file that was cut off when it was made, and zeros behind the header are room. Both
    /// are an empty store.
    @Property(tries = 200)
    void arbitraryBytesAreRefusedUnlessAHeaderStartsWithThem(@ForAll @Size(max = 200) byte[] bytes)
            throws IOException {
        Path folder = folder();
        Path copy = folder.resolve("copy");
        Files.write(copy, bytes);
        byte[] header = RecordFile.header().array();
        boolean cutOff = Arrays.equals(bytes, Arrays.copyOf(header, bytes.length));
        try {
            assertNull(ImageSource.recovered(copy));
            assertTrue(cutOff, "bytes that are no start of a header were taken");
        } catch (PersistException e) {
            assertFalse(cutOff, e.getMessage());
            assertTrue(String.valueOf(e.getMessage()).startsWith(copy + ": "), e.getMessage());
        }
        remove(folder);
    }

    @Example
    void everyStartOfAHeaderIsAnEmptyStore() throws IOException {
        Path folder = folder();
        Path copy = folder.resolve("copy");
        byte[] header = RecordFile.header().array();
        for (int length = 0; length <= header.length; length++) {
            Files.write(copy, Arrays.copyOf(header, length));
            assertNull(ImageSource.recovered(copy), length + " bytes");
        }
        remove(folder);
    }
}
