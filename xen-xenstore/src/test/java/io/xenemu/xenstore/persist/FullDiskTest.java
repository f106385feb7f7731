package io.xenemu.xenstore.persist;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.kvm.wire.WireException;
import io.xenemu.xenstore.tree.Permissions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// A store's file on a disk without room.
@Timeout(60)
class FullDiskTest {
    private static final int CHANGE = 4096;

    @TempDir
    @SuppressWarnings("NullAway.Init")
    Path folder;

    private final SmallDisk disk = new SmallDisk(Long.MAX_VALUE / 2);
    private final SimpleMeterRegistry registry = new SimpleMeterRegistry();
    private final JournalMetrics metrics = new JournalMetrics(registry);
    private final ImageSource source = new ImageSource();

    @SuppressWarnings("NullAway.Init")
    private Path file;

    @BeforeEach
    void name() {
        file = folder.resolve("store");
    }

    private static void unexpected(IOException failure) {
        throw new IllegalStateException(failure);
    }

    private Journal open() throws IOException {
        Journal journal = Journal.open(file, metrics, disk);
        journal.start(source, FullDiskTest::unexpected);
        return journal;
    }

    private void write(String path, String value) throws WireException {
        source.write(io.xenemu.xenstore.tree.Path.of(path), value, Permissions.DOM0_ONLY);
    }

    private String held() {
        return String.valueOf(ImageSource.text(source.get()));
    }

    private double full() {
        return registry.get("xen.xenstore.persist.full").gauge().value();
    }

    @Test
    void changesAreRefusedWhileThereIsNoRoomAndTakenWhenThereIs() throws Exception {
        try (Journal journal = open()) {
            assertTrue(journal.promise(CHANGE));
            write("/a", "kept");
            assertTrue(journal.commit());
            disk.free(0);
            int promised = 0;
            while (journal.promise(CHANGE)) {
                write("/b" + promised++, "x".repeat(CHANGE - 100));
            }
            assertTrue(promised > 0 && promised < 100, "promised: " + promised);
            assertEquals(1.0, full());
            assertTrue(journal.commit());
            assertFalse(journal.promise(100_000));
            assertEquals(2.0, registry.get("xen.xenstore.persist.refused").counter().count());
            disk.free(1 << 20);
            assertTrue(journal.promise(CHANGE));
            assertEquals(0.0, full());
            write("/c", "after");
            assertTrue(journal.commit());
        }
        assertEquals(held(), ImageSource.recovered(file));
    }

    @Test
    void promisedShareFitsOnADiskThatOthersFill() throws Exception {
        try (Journal journal = open()) {
            for (int i = 0; i < 200; i++) {
                disk.free(1 << 20);
                assertTrue(journal.promise(CHANGE));
                disk.free(0);
                write("/a" + i, "x".repeat(CHANGE - 100));
                assertTrue(journal.commit());
            }
        }
        assertEquals(held(), ImageSource.recovered(file));
    }

    @Test
    void startWithAnUndamagedFileNeedsNoRoom() throws Exception {
        try (Journal journal = open()) {
            write("/a", "x".repeat(4000));
            assertTrue(journal.commit());
        }
        Object inode = Files.getAttribute(file, "unix:ino");
        disk.free(0);
        String kept = held();
        try (Journal journal = open()) {
            assertTrue(journal.commit());
            assertFalse(journal.promise(CHANGE));
        }
        assertEquals(inode, Files.getAttribute(file, "unix:ino"));
        assertEquals(kept, ImageSource.recovered(file));
    }

    @Test
    void startWithoutAStoreNeedsNoRoom() throws Exception {
        disk.free(0);
        try (Journal journal = open()) {
            assertTrue(journal.commit());
            assertFalse(journal.promise(CHANGE));
            disk.free(1 << 20);
            assertTrue(journal.promise(CHANGE));
            write("/a", "first");
            assertTrue(journal.commit());
        }
        assertEquals(held(), ImageSource.recovered(file));
    }

    @Test
    void startWithARestoredStoreNeedsRoom() throws Exception {
        write("/a", "restored");
        disk.free(20);
        Journal journal = Journal.open(file, metrics, disk);
        IOException refused =
                assertThrows(
                        PersistException.class,
                        () -> journal.start(source, FullDiskTest::unexpected));
        assertEquals(file + ": no room for the store", refused.getMessage());
        assertThrows(IOException.class, journal::close);
    }

    /// There what was promised may not fit all the same: nobody is told of it, and it is tried again.
    @Test
    void writeInPlaceIsTriedAgainOnAFileSystemThatFailedIt() throws Exception {
        try (Journal journal = open()) {
            assertTrue(journal.promise(CHANGE));
            write("/a", "kept");
            assertTrue(journal.commit());
            String kept = held();
            assertTrue(journal.promise(CHANGE));
            write("/b", "x".repeat(4000));
            disk.copyOnWrite();
            disk.free(50);
            assertFalse(journal.commit());
            assertFalse(journal.commit());
            assertFalse(journal.promise(1));
            assertEquals(1.0, full());
            // A process that is killed now has lost nothing that it told anybody of.
            assertEquals(kept, ImageSource.recovered(Files.copy(file, folder.resolve("copy"))));
            disk.free(1 << 20);
            assertTrue(journal.commit());
            assertTrue(journal.promise(CHANGE));
            assertEquals(0.0, full());
            write("/c", "after");
            assertTrue(journal.commit());
        }
        assertEquals(held(), ImageSource.recovered(file));
    }

    @Test
    void fileOfAKilledProcessIsContinuedDespiteItsReservedRoom() throws Exception {
        Path killed = folder.resolve("killed");
        try (Journal journal = open()) {
            assertTrue(journal.promise(CHANGE));
            write("/a", "kept");
            assertTrue(journal.commit());
            Files.copy(file, killed);
        }
        assertTrue(Files.size(killed) > Files.size(file), "has no room");
        file = killed;
        assertEquals(held(), ImageSource.recovered(file));
        try (Journal journal = open()) {
            write("/b", "more");
            assertTrue(journal.commit());
        }
        assertEquals(held(), ImageSource.recovered(file));
    }

    @Test
    void rewrittenFileHasTheRoomThatWasPromised() throws Exception {
        try (Journal journal = open()) {
            Object first = Files.getAttribute(file, "unix:ino");
            for (int i = 0; Files.getAttribute(file, "unix:ino").equals(first); i++) {
                disk.free(1 << 30);
                assertTrue(journal.promise(2 * CHANGE));
                write("/a/" + i % 3, i + "x".repeat(4000));
                assertTrue(journal.commit());
                // It may be written anew just now.
                assertTrue(journal.promise(CHANGE));
            }
            disk.free(0);
            write("/b", "x".repeat(4000));
            assertTrue(journal.commit());
        }
        assertEquals(held(), ImageSource.recovered(file));
    }
}
