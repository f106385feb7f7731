package io.xenemu.core.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.domain.OverlaidGuest;
import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Overlays of special pages in a VM's memory.
final class DomainMemoryTest {
    private static final int SHARED_INFO = SpecialPages.SHARED_INFO;
    private static final int GRANT_FRAME = SpecialPages.grantFrame(0);
    private static final long IN_RAM = 0x123;
    private static final long OUTSIDE = 0xc_0000;
    private static final int OLD_CONTENT = 77;

    private final OverlaidGuest guest = new OverlaidGuest();
    private final DomainMemory memory = guest.memory;
    private final DomainPhysmap physmap = guest.physmap;

    DomainMemoryTest() throws BootException {}

    @AfterEach
    void close() {
        guest.close();
    }

    private void assertHole(long gfn) {
        assertSame(XenError.EFAULT, assertThrows(XenError.class, () -> guest.word(gfn)));
    }

    @Test
    void ramKeepsWhatWasWritten() throws XenError {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment source = arena.allocateFrom(ValueLayout.JAVA_INT, 5, 6);
            memory.write(IN_RAM * 4096, source);
            assertEquals(5, guest.word(IN_RAM));
            assertThrows(
                    IllegalArgumentException.class, () -> memory.write(OUTSIDE * 4096, source));
        }
    }

    @Test
    void pageIsWhatTheGuestSees() throws XenError {
        guest.setWord(IN_RAM, 5);

        assertEquals(4096, memory.page(IN_RAM).byteSize());
        assertEquals(5, memory.page(IN_RAM).get(ValueLayout.JAVA_INT, 0));
    }

    @ParameterizedTest
    @ValueSource(longs = {OUTSIDE, -1, Long.MIN_VALUE, 1L << 40, 1L << 52 | IN_RAM})
    void pageOutsideOfMemoryIsEinval(long gfn) {
        assertSame(XenError.EINVAL, assertThrows(XenError.class, () -> memory.page(gfn)));
    }

    @Test
    void overlayInsideRamShowsTheSpecialPage() throws XenError {
        guest.setWord(IN_RAM, OLD_CONTENT);

        guest.overlay(SHARED_INFO, IN_RAM);

        assertEquals(OverlaidGuest.tag(SHARED_INFO), guest.word(IN_RAM));
        assertEquals(IN_RAM, memory.overlayOf(SHARED_INFO));
        guest.setWord(IN_RAM, 99);
        assertEquals(99, guest.special.page(SHARED_INFO).get(ValueLayout.JAVA_INT, 0));
    }

    @Test
    void ramComesBackZeroedWhenTheOverlayMoves() throws XenError {
        guest.setWord(IN_RAM, OLD_CONTENT);
        guest.setWord(IN_RAM + 1, OLD_CONTENT);
        guest.overlay(SHARED_INFO, IN_RAM);

        guest.overlay(SHARED_INFO, IN_RAM + 2);

        assertEquals(0, guest.word(IN_RAM));
        assertEquals(OLD_CONTENT, guest.word(IN_RAM + 1));
        assertEquals(OverlaidGuest.tag(SHARED_INFO), guest.word(IN_RAM + 2));
    }

    @Test
    void sameOverlayAgainChangesNothing() throws XenError {
        guest.overlay(SHARED_INFO, IN_RAM);
        guest.setWord(IN_RAM, 99);

        guest.overlay(SHARED_INFO, IN_RAM);

        assertEquals(99, guest.word(IN_RAM));
    }

    @Test
    void overlayOutsideOfMemoryMakesAPageThere() throws XenError {
        assertHole(OUTSIDE);

        guest.overlay(GRANT_FRAME, OUTSIDE);
        assertEquals(OverlaidGuest.tag(GRANT_FRAME), guest.word(OUTSIDE));
        assertHole(OUTSIDE + 1);

        guest.overlay(GRANT_FRAME, OUTSIDE + 1);
        assertEquals(OverlaidGuest.tag(GRANT_FRAME), guest.word(OUTSIDE + 1));
        assertHole(OUTSIDE);
    }

    @Test
    void slotsOutsideOfMemoryAreUsedAgain() throws XenError {
        for (int round = 0; round < 100; round++) {
            for (int frame = 0; frame < OverlaidGuest.GRANT_FRAMES; frame++) {
                guest.overlay(SpecialPages.grantFrame(frame), OUTSIDE + round + 10L * frame);
            }
        }
        assertEquals(OverlaidGuest.tag(GRANT_FRAME), guest.word(OUTSIDE + 99));
    }

    @ParameterizedTest
    @ValueSource(longs = {IN_RAM, OUTSIDE})
    void secondPageAtAFrameEvictsTheFirst(long gfn) throws XenError {
        guest.overlay(SHARED_INFO, gfn);

        guest.overlay(GRANT_FRAME, gfn);

        assertEquals(OverlaidGuest.tag(GRANT_FRAME), guest.word(gfn));
        assertEquals(-1, memory.overlayOf(SHARED_INFO));
        guest.overlay(SHARED_INFO, IN_RAM + 1);
        assertEquals(OverlaidGuest.tag(GRANT_FRAME), guest.word(gfn));
    }

    @Test
    void overlayOverAFixedPageHidesItFromTheGuestAlone() throws XenError {
        long gfn = GuestMemoryMap.XENSTORE_GFN;
        int fixed = guest.word(gfn);

        guest.overlay(SHARED_INFO, gfn);

        assertEquals(OverlaidGuest.tag(SHARED_INFO), guest.word(gfn));
        assertEquals(fixed, guest.special.xenstore().get(ValueLayout.JAVA_INT, 0));
        assertTrue(physmap.removeAt(gfn));
        assertEquals(fixed, guest.word(gfn));
    }

    @Test
    void overlayAndThenTheRamBelowCanBeRemovedOnce() throws XenError {
        guest.overlay(SHARED_INFO, IN_RAM);

        assertFalse(physmap.removeAt(OUTSIDE));
        assertTrue(physmap.removeAt(IN_RAM));
        guest.setWord(IN_RAM, OLD_CONTENT);
        assertTrue(physmap.removeAt(IN_RAM));
        assertFalse(physmap.removeAt(IN_RAM));
        assertEquals(0, guest.word(IN_RAM));
        assertThrows(XenError.class, () -> memory.page(IN_RAM));
    }

    @ParameterizedTest
    @ValueSource(longs = {-1, Long.MIN_VALUE, Long.MAX_VALUE})
    void impossibleFrameHasNoPageToRemove(long gfn) {
        assertFalse(physmap.removeAt(gfn));
    }

    @ParameterizedTest
    @ValueSource(longs = {-1, Long.MIN_VALUE, Long.MAX_VALUE, 1L << 40, 1L << 52})
    void impossibleFrameIsEinval(long gfn) throws XenError {
        guest.overlay(SHARED_INFO, IN_RAM);

        XenError e = assertThrows(XenError.class, () -> guest.overlay(SHARED_INFO, gfn));

        assertSame(XenError.EINVAL, e);
        assertEquals(OverlaidGuest.tag(SHARED_INFO), guest.word(IN_RAM));
    }

    @Test
    void guestHasTheRingsAtTheirFrames() throws XenError {
        guest.special.xenstore().set(ValueLayout.JAVA_INT, 0, 1);
        guest.special.console().set(ValueLayout.JAVA_INT, 0, 2);

        assertEquals(1, guest.word(GuestMemoryMap.XENSTORE_GFN));
        assertEquals(2, guest.word(GuestMemoryMap.CONSOLE_GFN));
        assertEquals(1, guest.seen(GuestMemoryMap.XENSTORE_GFN));
        assertEquals(2, guest.seen(GuestMemoryMap.CONSOLE_GFN));
    }
}
