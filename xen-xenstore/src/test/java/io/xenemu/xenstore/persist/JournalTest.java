package io.xenemu.xenstore.persist;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeout;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.xenstore.tree.Permissions;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class JournalTest {
    private static void unexpected(IOException failure) {
        throw new IllegalStateException(failure);
    }

    @TempDir
    @SuppressWarnings("NullAway.Init")
    Path folder;

    private final ImageSource source = new ImageSource();

    private Path file() {
        return folder.resolve("store");
    }

    private Journal open() throws IOException {
        return Journal.open(file(), ImageSource.metrics());
    }

    private String refusal() {
        IOException refused = assertThrows(PersistException.class, () -> open().close());
        return String.valueOf(refused.getMessage());
    }

    @Test
    void newFileIsForItsOwnerAloneAndHoldsNothing() throws IOException {
        try (Journal journal = open()) {
            assertNull(journal.recovered());
            journal.start(source, JournalTest::unexpected);
            assertEquals(
                    "rw-------",
                    PosixFilePermissions.toString(Files.getPosixFilePermissions(file())));
        }
        assertFalse(Files.exists(folder.resolve("store.new")));
    }

    @Test
    void changesAreInTheFileAfterACommit() throws Exception {
        try (Journal journal = open()) {
            journal.start(source, JournalTest::unexpected);
            source.write(path("/a/b"), "one", Permissions.of("n3", "r5"));
            journal.commit();
            Path copy = Files.copy(file(), folder.resolve("copy"));
            assertEquals(ImageSource.text(source.get()), ImageSource.recovered(copy));
        }
    }

    private static io.xenemu.xenstore.tree.Path path(String text) {
        return io.xenemu.xenstore.tree.Path.of(text);
    }

    @Test
    void commitOfNothingWritesNothing() throws Exception {
        try (Journal journal = open()) {
            journal.start(source, JournalTest::unexpected);
            source.write(path("/a"), "one", Permissions.DOM0_ONLY);
            journal.commit();
            long size = Files.size(file());
            source.write(path("/a"), "one", Permissions.DOM0_ONLY);
            journal.commit();
            journal.commit();
            assertEquals(size, Files.size(file()));
        }
    }

    @Test
    void closingCommitsEarlierWrites() throws Exception {
        try (Journal journal = open()) {
            journal.start(source, JournalTest::unexpected);
            source.write(path("/a"), "last", Permissions.DOM0_ONLY);
        }
        assertEquals(ImageSource.text(source.get()), ImageSource.recovered(file()));
    }

    @Test
    void grownFileIsRewrittenAndStaysLocked() throws Exception {
        try (Journal journal = open()) {
            journal.start(source, JournalTest::unexpected);
            Object first = Files.getAttribute(file(), "unix:ino");
            long largest = 0;
            for (int i = 0; Files.getAttribute(file(), "unix:ino").equals(first); i++) {
                source.write(path("/a/" + i % 3), i + "x".repeat(4000), Permissions.DOM0_ONLY);
                journal.commit();
                largest = Math.max(largest, Files.size(file()));
            }
            assertTrue(largest > 1 << 20, "was written anew at " + largest);
            assertEquals(file() + ": in use by this process", refusal());
            source.write(path("/after"), "", Permissions.DOM0_ONLY);
            journal.commit();
            assertTrue(Files.size(file()) < 100_000, "has " + Files.size(file()));
        }
        assertEquals(ImageSource.text(source.get()), ImageSource.recovered(file()));
    }

    /// Each commit waits for the disk: few large ones fill a file as well.
    private void commitMuch(Journal journal, int number) throws Exception {
        for (int i = 0; i < 16; i++) {
            source.write(path("/a" + i), number + "x".repeat(4000), Permissions.DOM0_ONLY);
        }
        journal.commit();
    }

    @Test
    void fileThatCannotBeRewrittenGrowsAndLosesNothing() throws Exception {
        try (Journal journal = open()) {
            journal.start(source, JournalTest::unexpected);
            Object first = Files.getAttribute(file(), "unix:ino");
            // A folder with something in it cannot be replaced.
            Path hindrance = Files.createDirectories(folder.resolve("store.new/in"));
            int i = 0;
            for (; Files.size(file()) < 5 << 20; i++) {
                commitMuch(journal, i);
            }
            assertEquals(first, Files.getAttribute(file(), "unix:ino"));
            Files.delete(hindrance);
            Files.delete(folder.resolve("store.new"));
            for (; Files.getAttribute(file(), "unix:ino").equals(first); i++) {
                commitMuch(journal, i);
            }
            source.write(path("/after"), "", Permissions.DOM0_ONLY);
            journal.commit();
        }
        assertEquals(ImageSource.text(source.get()), ImageSource.recovered(file()));
        assertFalse(Files.exists(folder.resolve("store.new")));
    }

    @Test
    void leftoverOfAnUnfinishedFileIsRemoved() throws IOException {
        Files.writeString(folder.resolve("store.new"), "half");
        try (Journal journal = open()) {
            journal.start(source, JournalTest::unexpected);
        }
        assertNotNull(ImageSource.recovered(file()));
        assertFalse(Files.exists(folder.resolve("store.new")));
    }

    @Test
    void damagedFileIsRefusedAndLeftAsItIs() throws Exception {
        Files.writeString(file(), "something else altogether");
        assertEquals(
                file() + ": damaged at byte 0: not a file of this kind and version", refusal());
        assertEquals("something else altogether", Files.readString(file()));
    }

    @Test
    void otherKindsOfFilesAreRefused() throws IOException {
        Files.createDirectory(file());
        assertEquals(file() + ": not a regular file", refusal());
        Path deep = folder.resolve("no/store");
        IOException refused =
                assertThrows(
                        PersistException.class, () -> Journal.open(deep, ImageSource.metrics()));
        assertEquals(deep + ": no such directory", refused.getMessage());
    }

    /// As of a machine that stopped after the file had got its new length.
    @Test
    void longTailOfZerosIsReadAtOnce() throws Exception {
        try (Journal journal = open()) {
            journal.start(source, JournalTest::unexpected);
        }
        String kept = String.valueOf(ImageSource.recovered(file()));
        try (FileChannel channel = FileChannel.open(file(), StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.wrap(new byte[] {0}), 64 << 20);
        }
        // It took 1.4 s a MiB, each byte by a read of its own.
        assertTimeout(
                Duration.ofSeconds(30), () -> assertEquals(kept, ImageSource.recovered(file())));
    }

    @Test
    void recordThatClaimsMoreThanOneCanHaveIsRefusedInOneLine() throws Exception {
        int claimed = 1 << 30;
        ByteBuffer header =
                RecordFile.buffer(RecordFile.RECORD_HEADER_BYTES)
                        .putInt(RecordFile.RECORD_MAGIC)
                        .putLong(1)
                        .putInt(claimed)
                        .putInt(0);
        header.putInt(RecordFile.crc(header.slice(0, header.position()))).flip();
        try (FileChannel channel =
                FileChannel.open(file(), StandardOpenOption.WRITE, StandardOpenOption.CREATE_NEW)) {
            channel.write(RecordFile.header(), 0);
            channel.write(header, RecordFile.HEADER_BYTES);
            channel.write(ByteBuffer.wrap(new byte[] {1}), 2L * claimed);
        }
        assertEquals(
                file() + ": damaged at byte 16: a record that claims 1073741824 bytes", refusal());
    }

    /// Until the rename is on the disk, a machine that stops may come up with the old file: nothing may be confirmed.
    @Test
    void firstFileWhoseRenameIsNotOnTheDiskIsAFailure() throws Exception {
        List<IOException> failures = new ArrayList<>();
        Journal journal =
                Journal.open(
                        file(),
                        ImageSource.metrics(),
                        new OddDisk() {
                            @Override
                            public void forceNames(FileChannel directory) throws IOException {
                                throw new IOException("no disk");
                            }
                        });
        source.write(path("/a"), "there", Permissions.DOM0_ONLY);
        IOException told =
                assertThrows(IOException.class, () -> journal.start(source, failures::add));
        assertEquals(file() + ": no disk", told.getMessage());
        assertEquals(List.of(told), failures);
        assertThrows(IOException.class, journal::commit);
        journal.close();
        assertEquals(1, failures.size());
        assertFalse(Files.exists(folder.resolve("store.new")));
        assertEquals(ImageSource.text(source.get()), ImageSource.recovered(file()));
    }

    @Test
    void laterFileWhoseRenameIsNotOnTheDiskIsAFailureAndHoldsConfirmedChanges() throws Exception {
        BlockingQueue<IOException> failures = new LinkedBlockingQueue<>();
        AtomicBoolean broken = new AtomicBoolean();
        Journal journal =
                Journal.open(
                        file(),
                        ImageSource.metrics(),
                        new OddDisk() {
                            @Override
                            public void forceNames(FileChannel directory) throws IOException {
                                if (broken.get()) {
                                    throw new IOException("no disk");
                                }
                            }
                        });
        journal.start(source, failures::add);
        Object first = Files.getAttribute(file(), "unix:ino");
        broken.set(true);
        String confirmed = "";
        try {
            for (int i = 0; i < 100_000; i++) {
                commitMuch(journal, i);
                confirmed = ImageSource.text(source.get());
            }
        } catch (IOException e) {
            assertEquals(file() + ": no disk", e.getMessage());
        }
        assertEquals(file() + ": no disk", failures.take().getMessage());
        assertThrows(IOException.class, journal::commit);
        journal.close();
        assertTrue(failures.isEmpty());
        assertNotEquals(first, Files.getAttribute(file(), "unix:ino"));
        assertEquals(confirmed, ImageSource.recovered(file()));
    }

    /// A write that fails: an interrupt closes the file under it.
    @Test
    void failureIsReportedOnceAndNoChangeIsConfirmedAfterIt() throws Exception {
        List<IOException> failures = new ArrayList<>();
        Journal journal = open();
        journal.start(source, failures::add);
        source.write(path("/a"), "kept", Permissions.DOM0_ONLY);
        journal.commit();
        String kept = ImageSource.text(source.get());
        source.write(path("/a"), "lost", Permissions.DOM0_ONLY);
        Thread.currentThread().interrupt();
        assertThrows(IOException.class, journal::commit);
        assertTrue(Thread.interrupted());
        assertThrows(IOException.class, journal::commit);
        assertEquals(1, failures.size());
        journal.close();
        assertEquals(kept, ImageSource.recovered(file()));
    }
}
