package io.xenemu.core.backend.block;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.toolstack.DiskSpec;
import io.xenemu.core.toolstack.Refused;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// A look for a disk that another host has open.
final class DiskCheckerTest {
    private static final int BYTES = 4096;

    @TempDir private Path folder;
    private Path image;

    @BeforeEach
    void make() throws Exception {
        image = Files.write(folder.resolve("x.img"), new byte[BYTES]);
    }

    private String look(String words, long bytes, boolean trusts) throws Refused {
        return DiskChecker.FILE.check(DiskSpec.parse(List.of(image + "," + words)), bytes, trusts);
    }

    private String refused(String words, long bytes) {
        return assertThrows(Refused.class, () -> look(words, bytes, false)).reason();
    }

    /// Readers have a lock too.
    @ParameterizedTest
    @ValueSource(strings = {"raw,xvda,rw", "raw,xvda,r"})
    void lockOfTheOtherHostIsSeenAndStays(String words) throws Exception {
        DiskSpec spec = DiskSpec.parse(List.of(image + "," + words));
        try (DiskStore other = DiskOpener.RAW.open(spec)) {
            assertEquals(BYTES, other.bytes());
            assertEquals(
                    image + " is here, and the other host's lock is seen",
                    look(words, BYTES, false));
        }
        DiskOpener.RAW.open(DiskSpec.parse(List.of(image + ",raw,xvda,rw"))).close();
    }

    @Test
    void fileThatNobodyHasIsRefusedUnlessTheOperatorKnowsBetter() throws Exception {
        assertTrue(
                refused("raw,xvda,rw", BYTES)
                        .startsWith(image + ": the other host's lock is not seen here"));
        assertEquals(
                image + " is here; the other host's lock is not seen",
                look("raw,xvda,rw", BYTES, true));
    }

    @Test
    void fileThatIsMissingOrSmallerOrNoDiskIsRefused() throws Exception {
        assertEquals(
                image + " has 4096 bytes here, and 8192 there", refused("raw,xvda,rw", 2 * BYTES));
        Files.delete(image);
        assertEquals(image + ": no such file here", refused("raw,xvda,rw", BYTES));
        Files.createDirectory(image);
        assertEquals(image + " is no disk here", refused("raw,xvda,rw", 0));
        assertEquals(image + " is no disk here", refused("raw,xvda,r", 0));
    }
}
