package io.xenemu.core.guest;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.core.backend.block.ObservedDisks;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/// The storage of two services, of which each sees its own folder, and the content that a guest has given to its disk.
final class OwnStorage {
    private static final int SECTOR = 512;

    /// More than a mebibyte, and not a whole number of pages.
    private static final int SECTORS = 2500;

    private static final int MOST_SECTORS = 30;

    private final Path folder;
    private final Random random = new Random(2);
    private final byte[] account = new byte[SECTORS * SECTOR];

    /// @param folder has the first service's disk
    OwnStorage(Path folder) {
        this.folder = folder;
    }

    /// Makes the disk.
    ///
    /// @return the second service's folder
    Path begin() throws IOException {
        Arrays.fill(account, 10 * SECTOR, 500 * SECTOR, (byte) 9);
        Files.write(here(), account);
        return Files.createDirectories(folder.resolve("b"));
    }

    /// The disk at the first service.
    Path here() {
        return folder.resolve("disk");
    }

    /// The disk at the second service.
    Path there() {
        return folder.resolve("b").resolve("disk");
    }

    /// What is at the second service.
    List<String> namesThere() throws IOException {
        try (var all = Files.list(folder.resolve("b"))) {
            return all.map(file -> String.valueOf(file.getFileName())).sorted().toList();
        }
    }

    /// The guest writes something.
    synchronized void write(ObservedDisks disks) {
        int first = random.nextInt(SECTORS);
        int length = (1 + random.nextInt(Math.min(MOST_SECTORS, SECTORS - first))) * SECTOR;
        int at = first * SECTOR;
        byte value = (byte) random.nextInt();
        if (random.nextInt(4) == 0) {
            value = 0;
            assertEquals(0, disks.discard(at, length));
        } else {
            byte[] bytes = new byte[length];
            Arrays.fill(bytes, value);
            assertEquals(0, disks.write(at, bytes));
        }
        Arrays.fill(account, at, at + length, value);
    }

    /// Checks that a disk has all that the guest has written, which does not run.
    synchronized void assertWhole(Path disk) throws IOException {
        assertArrayEquals(account, Files.readAllBytes(disk));
    }
}
