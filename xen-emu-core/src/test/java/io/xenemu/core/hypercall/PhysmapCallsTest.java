package io.xenemu.core.hypercall;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.domain.EventChannelConfig;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.core.memory.SpecialPages;
import io.xenemu.kvm.abi.XenError;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Pages that a guest puts at frames of its choice, and its account of pages.
final class PhysmapCallsTest extends CallingGuest {
    private static final int MEMORY_OP = 12;
    private static final int CONTENT = 0x1234;

    /// Lists of a batch.
    private static final long INDICES = ARG + 0x2000;

    private static final long GFNS = ARG + 0x2800;
    private static final long RESULTS = ARG + 0x3000;

    /// A frame of RAM, one without RAM, and the highest of a new domain: the console's.
    private static final long IN_RAM = 0x130;

    private static final long HOLE = 0xc_0000;
    private static final long HIGHEST = 0xf_efff;
    private static final long OWNED = 2064;

    PhysmapCallsTest() throws BootException, XenError {
        super(new TestDomain(2));
    }

    private long add(int space, int size, long index, long gfn) throws XenError {
        return add(7, SELF, space, size, index, gfn);
    }

    private long add(long command, int domid, int space, int size, long index, long gfn)
            throws XenError {
        memory.write16(ARG, domid);
        memory.write16(ARG + 2, size);
        memory.write32(ARG + 4, space);
        memory.write64(ARG + 8, index);
        memory.write64(ARG + 16, gfn);
        return call(MEMORY_OP, command, ARG);
    }

    private long batch(long command, int domid, int space, int size, int foreign) throws XenError {
        memory.write16(ARG, domid);
        memory.write16(ARG + 2, space);
        memory.write16(ARG + 4, size);
        memory.write16(ARG + 6, foreign);
        memory.write64(ARG + 8, INDICES);
        memory.write64(ARG + 16, GFNS);
        memory.write64(ARG + 24, RESULTS);
        return call(MEMORY_OP, command, ARG);
    }

    private void entry(int i, long index, long gfn) throws XenError {
        memory.write64(INDICES + 8L * i, index);
        memory.write64(GFNS + 8L * i, gfn);
        memory.write32(RESULTS + 4L * i, CONTENT);
    }

    /// One extent of a `struct xen_memory_reservation`.
    private long reservation(int command, long gfn, int order) throws XenError {
        memory.write64(INDICES, gfn);
        memory.write64(ARG, INDICES);
        memory.write64(ARG + 8, 1);
        memory.write32(ARG + 16, order);
        memory.write32(ARG + 20, 0);
        memory.write16(ARG + 24, SELF);
        return call(MEMORY_OP, command, ARG);
    }

    private long remove(long gfn) throws XenError {
        memory.write16(ARG, SELF);
        memory.write64(ARG + 8, gfn);
        return call(MEMORY_OP, 15, ARG);
    }

    private long tells(int command) throws XenError {
        memory.write16(ARG, SELF);
        return call(MEMORY_OP, command, ARG);
    }

    private int word(long gfn) throws XenError {
        return memory.read32(gfn << 12);
    }

    private void setWord(long gfn, int value) throws XenError {
        memory.write32(gfn << 12, value);
    }

    @ParameterizedTest
    @ValueSource(longs = {HOLE, IN_RAM, 0xf_effc, 1L << 27})
    void pagesArePopulatedAnywhereAndComeZeroed(long gfn) throws XenError {
        assertEquals(1, reservation(6, gfn, 0));
        assertEquals(0, word(gfn));
        setWord(gfn, CONTENT);
        assertEquals(1, reservation(6, gfn, 0), "RAM before or not");
        assertEquals(0, word(gfn));
        assertEquals(OWNED + 2, tells(3), "what was there stays charged");
        assertEquals(1, reservation(1, gfn, 0));
        assertEquals(OWNED + 1, tells(3));
    }

    @Test
    void extentOfTwoMebibytesGoesIntoAHoleWhole() throws XenError {
        assertEquals(1, reservation(1, 0x200, 9));
        assertEquals(1, reservation(6, HOLE + 1, 9));
        setWord(HOLE + 1, CONTENT);
        setWord(HOLE + 512, CONTENT);
        assertEquals(OWNED, tells(3));
        assertEquals(1, reservation(1, HOLE + 1, 9));
        assertEquals(OWNED - 512, tells(3));
        assertEquals(-2, remove(HOLE + 512));
    }

    @ParameterizedTest
    @ValueSource(longs = {-1, 1L << 40, 1L << 52, Long.MIN_VALUE})
    void noPageCanBeBeyondTheAddressWidth(long gfn) throws XenError {
        assertEquals(0, reservation(6, gfn, 0));
        assertEquals(-22, add(2, 0, IN_RAM, gfn));
        assertEquals(OWNED, tells(3));
    }

    @Test
    void removedPageIsAHoleAndStaysCharged() throws XenError {
        assertEquals(1, reservation(6, HOLE, 0));
        assertEquals(0, remove(HOLE));
        assertEquals(-2, remove(HOLE));
        assertEquals(0, reservation(1, HOLE, 0));
        assertEquals(OWNED + 1, tells(3));
    }

    @Test
    void ramMovesWithItsContentAndFreesWhatItReplaces() throws XenError {
        setWord(IN_RAM, CONTENT);
        assertEquals(0, add(2, 0, IN_RAM, HOLE));
        assertEquals(CONTENT, word(HOLE));
        assertEquals(-2, remove(IN_RAM));
        assertEquals(-13, add(2, 0, IN_RAM, HOLE + 1), "it is there no more");
        assertEquals(OWNED, tells(3));

        assertEquals(0, add(2, 0, HOLE, IN_RAM + 1));
        assertEquals(CONTENT, word(IN_RAM + 1));
        assertEquals(OWNED - 1, tells(3), "the page that was there is free");
        assertEquals(-2, remove(HOLE));

        assertEquals(0, add(2, 0, IN_RAM + 1, IN_RAM + 1));
        assertEquals(0, add(2, 0, IN_RAM + 1, IN_RAM));
        assertEquals(CONTENT, word(IN_RAM));
        assertEquals(0, remove(IN_RAM));
        assertEquals(OWNED - 1, tells(3));
    }

    @Test
    void specialPageIsMovedLikeRam() throws XenError {
        assertEquals(0, add(0, 0, 0, IN_RAM));
        assertEquals(0, add(2, 0, IN_RAM, IN_RAM + 2));
        assertEquals(IN_RAM + 2, guest.domain().memory().overlayOf(SpecialPages.SHARED_INFO));
        assertEquals(0, add(1, 0, 0, IN_RAM));
        assertEquals(0, add(2, 0, IN_RAM, HOLE + 1));
        assertEquals(HOLE + 1, guest.domain().pages().grantFrameGfn(0));
    }

    @ParameterizedTest
    @CsvSource({
        "2, 0xc0000, 0x131, -13",
        "2, -1, 0x131, -13",
        "2, 0xfeffc, 0x131, -13",
        "2, 0x130, -1, -22",
        "0, 1, 0x131, -22",
        "6, 0, 0x131, -22"
    })
    void additionsAreRefusedAsByXen(int space, String index, String gfn, long expected)
            throws XenError {
        assertEquals(expected, add(space, 0, Long.decode(index), Long.decode(gfn)));
    }

    @Test
    void rangeMovesPageByPageUntilOneIsMissing() throws XenError {
        for (int i = 0; i < 4; i++) {
            setWord(IN_RAM + i, CONTENT + i);
        }
        assertEquals(0, add(3, 4, IN_RAM, HOLE));
        assertEquals(CONTENT + 3, word(HOLE + 3));
        assertEquals(-13, add(3, 4, HOLE + 2, IN_RAM));
        assertEquals(CONTENT + 3, word(IN_RAM + 1), "the first two have moved");
        assertEquals(0, add(3, 0, 1L << 30, HOLE));
        assertEquals(-75, add(3, 2, -1, HOLE));
        assertEquals(-75, add(3, 2, IN_RAM, -2));
        assertEquals(-84, add(7 | 3 << 6, SELF, 3, 2, HOLE, IN_RAM), "3 of 2 have been done");
        assertEquals(0, add(7 | 2 << 6, SELF, 3, 2, 1L << 30, IN_RAM));
    }

    @Test
    void rangeOverItselfIsMovedFromItsStart() throws XenError {
        for (int i = 0; i < 3; i++) {
            setWord(IN_RAM + i, CONTENT + i);
        }
        assertEquals(0, add(3, 3, IN_RAM, IN_RAM + 1), "as before Xen 4.20");
        assertEquals(CONTENT, word(IN_RAM + 3), "the first has moved three times");
        assertEquals(-2, remove(IN_RAM + 2));
        assertEquals(OWNED - 3, tells(3));
    }

    @Test
    void rangeOverItselfIsMovedFromItsEndSinceXen420() throws Exception {
        try (TestDomain later = TestDomain.ofXen(EventChannelConfig.DEFAULT, 4, 20)) {
            for (int i = 0; i < 3; i++) {
                later.memory().write32((IN_RAM + i) << 12, CONTENT + i);
            }
            later.memory().write16(ARG, SELF);
            later.memory().write16(ARG + 2, 3);
            later.memory().write32(ARG + 4, 3);
            later.memory().write64(ARG + 8, IN_RAM);
            later.memory().write64(ARG + 16, IN_RAM + 1);
            assertEquals(0, call(later.dispatcher(), later.caller(0, true), MEMORY_OP, 7, ARG));
            for (int i = 0; i < 3; i++) {
                assertEquals(CONTENT + i, later.memory().read32((IN_RAM + 1 + i) << 12));
            }
            assertEquals(OWNED - 1, later.domain().memory().ownedPages(), "one is replaced");
        }
    }

    @Test
    void batchHasAResultForEachEntry() throws XenError {
        setWord(IN_RAM, CONTENT);
        entry(0, IN_RAM, HOLE);
        entry(1, HOLE + 9, HOLE + 1);
        entry(2, IN_RAM + 1, 1L << 40);
        entry(3, HOLE, HOLE + 2);
        assertEquals(0, batch(23, SELF, 2, 4, 0));
        assertEquals(0, memory.read32(RESULTS));
        assertEquals(-13, memory.read32(RESULTS + 4));
        assertEquals(-22, memory.read32(RESULTS + 8));
        assertEquals(0, memory.read32(RESULTS + 12));
        assertEquals(CONTENT, word(HOLE + 2));
    }

    @Test
    void batchEndsAtAnEntryWithoutAFrame() throws XenError {
        entry(0, 0, IN_RAM);
        entry(1, 0, -1);
        entry(2, 0, IN_RAM + 1);
        assertEquals(-22, batch(23, 1, 0, 3, 0));
        assertEquals(0, memory.read32(RESULTS));
        assertEquals(CONTENT, memory.read32(RESULTS + 8));
    }

    @ParameterizedTest
    @CsvSource({"0x7ff0, -3", "1, -1", "9, -3", "0xffff, -3"})
    void pagesOfOthersAreRefusedInTheResult(String foreign, int expected) throws XenError {
        entry(0, 0, HOLE);
        assertEquals(0, batch(23, SELF, 4, 1, Integer.decode(foreign)));
        assertEquals(expected, memory.read32(RESULTS));
    }

    @ParameterizedTest
    @CsvSource({"3, 9, 1, -95", "5, 9, 1, -3", "5, 1, 1, -13", "4, 9, 1, -3", "0, 1, 0, 0"})
    void batchIsRefusedInXensOrder(int space, int domid, int size, long expected) throws XenError {
        assertEquals(expected, batch(23, domid, space, size, 0));
        assertEquals(-14, call(MEMORY_OP, 23, NOWHERE));
    }

    @Test
    void batchContinuesWhereItWasInterrupted() throws XenError {
        entry(0, 0, -1);
        entry(1, 0, IN_RAM);
        assertEquals(0, batch(23 | 1 << 6, SELF, 0, 2, 0));
        assertEquals(0, memory.read32(RESULTS + 4));
        assertEquals(-84, batch(23 | 2 << 6, SELF, 0, 2, 0));
        assertEquals(-84, batch(23 | 3 << 6, SELF, 0, 2, 0));
        assertEquals(-33, batch(23 | 0x1_0000 << 6, SELF, 0, 2, 0));
    }

    @Test
    void batchOfA32BitGuestHasNarrowLists() throws XenError {
        memory.write32(INDICES, 0);
        memory.write32(INDICES + 4, 1);
        memory.write32(GFNS, (int) HOLE);
        memory.write32(GFNS + 4, (int) HOLE + 1);
        memory.write16(ARG, SELF);
        memory.write16(ARG + 2, 1);
        memory.write16(ARG + 4, 2);
        memory.write16(ARG + 6, 0);
        memory.write32(ARG + 8, (int) INDICES);
        memory.write32(ARG + 12, (int) GFNS);
        memory.write32(ARG + 16, (int) RESULTS);
        assertEquals(0, call(narrow, MEMORY_OP, 23, ARG));
        assertEquals(HOLE + 1, guest.domain().pages().grantFrameGfn(1));
    }

    @Test
    void maximumFrameNeverComesDown() throws XenError {
        assertEquals(HIGHEST, tells(14));
        assertEquals(1, reservation(6, HIGHEST + 0x200, 0));
        assertEquals(HIGHEST + 0x200, tells(14));
        assertEquals(1, reservation(1, HIGHEST + 0x200, 0));
        assertEquals(HIGHEST + 0x200, tells(14));
        memory.write16(ARG, 9);
        assertEquals(-3, call(MEMORY_OP, 14, ARG));
        memory.write16(ARG, SELF);
        assertEquals(-22, call(MEMORY_OP, 14 | 1 << 6, ARG));
        assertEquals(-14, call(MEMORY_OP, 14, NOWHERE));
    }

    @Test
    void accountFollowsTheMaximum() throws XenError {
        var domain = guest.domain().memory();
        domain.setMax(4 << 20);
        assertEquals(1280, tells(4), "and 1 MiB");
        assertEquals(OWNED, tells(3));
        assertEquals(0, reservation(0, 0, 0));
        assertEquals(1, reservation(1, 0x200, 9));
        assertEquals(1, reservation(1, 0x400, 9));
        assertEquals(1, reservation(0, 0, 0), "it owns less than it may");
        domain.setMax(8 << 20);
        assertEquals(2304, tells(4));
    }
}
