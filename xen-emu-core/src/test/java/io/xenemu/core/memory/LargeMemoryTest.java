package io.xenemu.core.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.domain.OverlaidGuest;
import io.xenemu.kvm.abi.XenError;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// A domain with 2 TiB of RAM in a sparse file, of which a few pages are used.
final class LargeMemoryTest {
    private static final long BYTES = 2L << 40;
    private static final long LAST =
            (GuestMemoryMap.HIGH_RAM_START + BYTES - GuestMemoryMap.HOLE_START) / 4096 - 1;

    private final OverlaidGuest guest = new OverlaidGuest(BYTES, _ -> false);

    LargeMemoryTest() throws BootException {}

    @AfterEach
    void close() {
        guest.close();
    }

    @Test
    void lastPageIsTheGuests() throws XenError {
        guest.setWord(LAST, 5);
        guest.setWord(0x123, 6);

        assertEquals(5, guest.word(LAST));
        assertEquals(5, guest.seen(LAST));
        assertEquals(6, guest.word(0x123));
    }

    @Test
    void specialPageCoversAPageAboveOneTebibyte() throws XenError {
        long gfn = (1L << 40 >> 12) + 7;
        guest.setWord(gfn, 5);

        guest.overlay(SpecialPages.SHARED_INFO, gfn);

        assertEquals(OverlaidGuest.tag(SpecialPages.SHARED_INFO), guest.word(gfn));
        assertEquals(0, guest.word(gfn + 1));
    }
}
