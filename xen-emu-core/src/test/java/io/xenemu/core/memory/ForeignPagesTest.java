package io.xenemu.core.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.domain.OverlaidGuest;
import io.xenemu.core.host.HostBudget;
import io.xenemu.gnttab.GuestFrames;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.MemFd;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Pages of another domain in a VM's memory.
final class ForeignPagesTest {
    private static final long PAGE = 4096;
    private static final long MFN = 12_345;
    private static final long IN_RAM = 0x123;
    private static final long HOLE = 0xc_0000;
    private static final long FIXED = GuestMemoryMap.CONSOLE_GFN;
    private static final int SHARED_INFO = SpecialPages.SHARED_INFO;
    private static final int OLD_CONTENT = 77;
    private static final int FOREIGN_CONTENT = 1000;

    private final OverlaidGuest guest = new OverlaidGuest();
    private final DomainMemory memory = guest.memory;
    private final DomainPhysmap physmap = guest.physmap;
    private final MemFd other = MemFd.create("other", 4 * PAGE);

    ForeignPagesTest() throws BootException {
        for (int i = 0; i < 4; i++) {
            other.map(i * PAGE, PAGE).set(ValueLayout.JAVA_INT, 0, FOREIGN_CONTENT + i);
        }
    }

    @AfterEach
    void close() {
        guest.close();
        other.close();
    }

    private boolean place(long gfn, int page) {
        return physmap.place(gfn, MFN + page, 1, other, page * PAGE, false);
    }

    private boolean remove(long gfn, long mfn) {
        return physmap.remove(gfn, new long[] {mfn}, 1);
    }

    @Test
    void pageIsSharedAndTheCoveredPageComesBack() throws XenError {
        guest.setWord(IN_RAM, OLD_CONTENT);

        assertTrue(place(IN_RAM, 2));
        assertEquals(FOREIGN_CONTENT + 2, guest.seen(IN_RAM));
        memory.seenByGuest(IN_RAM).set(ValueLayout.JAVA_INT, 0, 5);
        assertEquals(5, other.map(2 * PAGE, PAGE).get(ValueLayout.JAVA_INT, 0));

        assertTrue(remove(IN_RAM, MFN + 2));
        assertEquals(OLD_CONTENT, guest.seen(IN_RAM));
        assertFalse(remove(IN_RAM, MFN + 2));
    }

    @Test
    void serviceNeverTouchesAForeignPage() throws XenError {
        guest.setWord(IN_RAM, OLD_CONTENT);
        physmap.place(IN_RAM, MFN, 1, other, 0, true);
        physmap.place(HOLE, MFN, 1, other, 0, true);

        guest.setWord(IN_RAM, 6);

        assertEquals(6, guest.word(IN_RAM));
        assertEquals(FOREIGN_CONTENT, guest.seen(IN_RAM));
        assertSame(XenError.EFAULT, assertThrows(XenError.class, () -> guest.word(HOLE)));
    }

    @Test
    void holeReadsAsOnesAroundIt() {
        assertTrue(place(HOLE + 1, 0));

        assertEquals(-1, guest.seen(HOLE));
        assertEquals(FOREIGN_CONTENT, guest.seen(HOLE + 1));
        assertTrue(remove(HOLE + 1, MFN));
        assertEquals(-1, guest.seen(HOLE + 1));
    }

    @Test
    void accessIsRefusedOnlyAtForeignPagesAndInHoles() {
        assertFalse(memory.mayRefuseSome());
        assertTrue(place(IN_RAM, 0));
        assertTrue(memory.mayRefuse(IN_RAM * PAGE));
        assertFalse(memory.mayRefuse((IN_RAM + 1) * PAGE));
        assertFalse(memory.mayRefuse(HOLE * PAGE));
        assertTrue(place(HOLE, 0));
        assertTrue(memory.mayRefuse((HOLE + 1) * PAGE));
        assertTrue(memory.mayRefuseSome());
    }

    @ParameterizedTest
    @ValueSource(longs = {IN_RAM, HOLE, FIXED})
    void noOtherPageReplacesAForeignPage(long gfn) {
        assertTrue(place(gfn, 0));

        assertFalse(place(gfn, 1));
        assertSame(
                XenError.ENXIO,
                assertThrows(XenError.class, () -> guest.overlay(SHARED_INFO, gfn)));
        assertFalse(remove(gfn, MFN + 1));
        assertFalse(physmap.removeAt(gfn));
        assertFalse(physmap.populate(gfn, 1));
        assertFalse(physmap.decrease(gfn, 1));
        assertThrows(XenError.class, () -> memory.page(gfn));
        assertEquals(FOREIGN_CONTENT, guest.seen(gfn));
        assertEquals(GuestFrames.FOREIGN, memory.pageAt(gfn));
        try (HostResources resources = HostResources.ofThisHost()) {
            assertEquals(GuestFrames.FOREIGN, new DomainFrames(memory, resources).mfn(gfn));
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {IN_RAM, HOLE})
    void foreignPageRemovesTheSpecialPageThere(long gfn) throws XenError {
        guest.overlay(SHARED_INFO, gfn);

        assertTrue(place(gfn, 0));

        assertEquals(-1, memory.overlayOf(SHARED_INFO));
        assertEquals(FOREIGN_CONTENT, guest.seen(gfn));
        assertTrue(remove(gfn, MFN));
        assertEquals(gfn == HOLE ? -1 : 0, guest.seen(gfn));
        guest.overlay(SHARED_INFO, gfn);
        assertEquals(OverlaidGuest.tag(SHARED_INFO), guest.seen(gfn));
    }

    @Test
    void fixedPageIsHiddenFromTheGuestAlone() throws XenError {
        int before = guest.seen(FIXED);

        assertTrue(place(FIXED, 0));

        assertEquals(FOREIGN_CONTENT, guest.seen(FIXED));
        assertEquals(before, guest.special.console().get(ValueLayout.JAVA_INT, 0));
        assertTrue(remove(FIXED, MFN));
        assertEquals(before, guest.seen(FIXED));
    }

    @ParameterizedTest
    @ValueSource(longs = {-1, Long.MIN_VALUE, Long.MAX_VALUE, 1L << 40, 1L << 52})
    void impossibleFrameIsRefusedAndCostsNothing(long gfn) {
        for (int i = 0; i < 2 * OverlaidGuest.MAPPINGS; i++) {
            assertFalse(place(gfn, 0));
        }
        assertTrue(place(IN_RAM, 0));
    }

    @Test
    void domainLeavesAsManyMappingsAsItTakes() {
        int placed = 0;
        while (place(IN_RAM + placed, 0)) {
            placed++;
        }
        assertEquals(OverlaidGuest.MAPPINGS / 4, placed);

        HostBudget.Share other = guest.budget.open(0, 0);
        assertTrue(other.take(1));
        assertTrue(remove(IN_RAM, MFN));
        assertTrue(place(IN_RAM, 0));
    }

    @Test
    void windowsAreTakenFromTheSameBudget() throws XenError {
        long taken = 0;
        for (int i = 0; place(HOLE * 2 + i * (PhysicalRanges.WINDOW / PAGE), 0); i++) {
            taken += 3;
            assertEquals(taken, guest.budget.charged());
        }
        assertTrue(taken > 0);
        XenError refused =
                assertThrows(
                        XenError.class,
                        () -> {
                            for (int page = SHARED_INFO; ; page++) {
                                guest.overlay(page, IN_RAM + page);
                            }
                        });
        assertSame(XenError.ENOMEM, refused);
    }

    @Test
    void specialPageCostsASplitOfEachMapping() throws XenError {
        guest.overlay(SHARED_INFO, IN_RAM);
        assertEquals(4, guest.budget.charged());
        guest.overlay(SHARED_INFO, HOLE);
        assertEquals(3, guest.budget.charged(), "with its window");
        physmap.hide(SHARED_INFO);
        assertEquals(1, guest.budget.charged());
        assertTrue(place(HOLE, 0));
        assertEquals(3, guest.budget.charged());
    }

    @Test
    void emptyWindowsAreUsedAgainWhenMappingsRunOut() throws XenError {
        for (int i = 0; i < 4 * OverlaidGuest.MAPPINGS; i++) {
            guest.overlay(SHARED_INFO, HOLE * 2 + i * (PhysicalRanges.WINDOW / PAGE));
        }
        assertTrue(guest.budget.charged() <= OverlaidGuest.MAPPINGS);
    }

    @Test
    void emptyWindowsAreUsedAgainAtTheirLimit() throws IOException {
        for (int i = 0; i < PhysicalRanges.MAX_WINDOWS + 50; i++) {
            long gfn = HOLE * 2 + i * (PhysicalRanges.WINDOW / PAGE);
            assertTrue(place(gfn, 0));
            assertTrue(remove(gfn, MFN));
        }
        try (var lines = Files.lines(Path.of("/proc/self/maps"))) {
            long windows = lines.filter(line -> line.contains("/memfd:xen-holes ")).count();
            assertTrue(windows <= PhysicalRanges.MAX_WINDOWS + 1, windows + " mappings");
        }
    }
}
