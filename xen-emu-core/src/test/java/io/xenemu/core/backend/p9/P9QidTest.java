package io.xenemu.core.backend.p9;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.xenemu.kvm.abi.Errno;
import org.junit.jupiter.api.Test;

/// Numbers of files in a share with several file systems.
final class P9QidTest {
    private static final long PLACE = 1L << 56;

    private final P9Qid qids = new P9Qid();

    private static void refuses(int errno, Attempt attempt) {
        assertEquals(errno, assertThrows(P9Error.class, attempt::run).errno());
    }

    private interface Attempt {
        void run() throws P9Error;
    }

    @Test
    void eachFileSystemHasAPlaceInTheOrderOfItsFirstFile() throws P9Error {
        assertEquals(5, qids.path(100, 5));
        assertEquals(PLACE | 5, qids.path(200, 5));
        assertEquals(6, qids.path(100, 6));
        assertEquals(PLACE | 6, qids.path(200, 6));
    }

    @Test
    void aRestoredFileSystemHasItsPlaceAndNewOnesTheFirstFreeOnes() throws P9Error {
        qids.restore(300, 5, 2 * PLACE | 5);
        assertEquals(2 * PLACE | 6, qids.path(300, 6));
        assertEquals(7, qids.path(100, 7));
        assertEquals(PLACE | 7, qids.path(200, 7));
        assertEquals(3 * PLACE | 7, qids.path(400, 7));
        assertEquals(2 * PLACE | 8, qids.path(300, 8));
    }

    @Test
    void aRestoredNumberOfAnotherFileOrPlaceIsStale() throws P9Error {
        qids.restore(300, 5, 2 * PLACE | 5);
        refuses(Errno.ESTALE, () -> qids.restore(300, 6, 2 * PLACE | 5));
        refuses(Errno.ESTALE, () -> qids.restore(300, 6, PLACE | 6));
        refuses(Errno.ESTALE, () -> qids.restore(400, 6, 2 * PLACE | 6));
        assertEquals(2 * PLACE | 6, qids.path(300, 6));
    }

    @Test
    void oneFileSystemTooManyHasNoPlace() throws P9Error {
        for (long device = 0; device < 256; device++) {
            assertEquals(device * PLACE ^ 1, qids.path(device, 1));
        }
        refuses(Errno.EXDEV, () -> qids.path(256, 1));
        assertEquals(0xff00_0000_0000_0001L, qids.path(255, 1));
    }
}
