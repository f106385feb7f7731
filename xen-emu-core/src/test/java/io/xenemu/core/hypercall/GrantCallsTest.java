package io.xenemu.core.hypercall;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.core.memory.ContiguousViews;
import io.xenemu.gnttab.BackendMappings;
import io.xenemu.gnttab.GrantMapping;
import io.xenemu.gnttab.GrantRange;
import io.xenemu.gnttab.GrantRef;
import io.xenemu.gnttab.GrantStatus;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// `grant_table_op` as a guest makes it, with structures at the offsets that Xen's header gives. The guest's
/// grant table is at frame 0x123.
final class GrantCallsTest extends CallingGuest {
    private static final int MEMORY_OP = 12;
    private static final int GRANT_TABLE_OP = 20;
    private static final long TABLE = 0x12_3000;

    GrantCallsTest() throws BootException, XenError {
        super(new TestDomain(1));
    }

    @BeforeEach
    void showTable() throws XenError {
        addToPhysmap(0, TABLE >> 12);
    }

    private void addToPhysmap(long index, long gfn) throws XenError {
        memory.write16(ARG, SELF);
        memory.write32(ARG + 4, 1);
        memory.write64(ARG + 8, index);
        memory.write64(ARG + 16, gfn);
        assertEquals(0, call(wide, MEMORY_OP, 7, ARG));
    }

    private long op(int command, long count) {
        return call(wide, GRANT_TABLE_OP, command, ARG, count);
    }

    private int status(long offset) throws XenError {
        return (short) memory.read16(ARG + offset);
    }

    @ParameterizedTest
    @ValueSource(ints = {3, 4, 7, 9, 12, 13})
    void operationsThatXenRefusesToHvmGuestsAreEnosys(int command) {
        assertEquals(-38, op(command, 1));
        assertEquals(-38, op(command, -1));
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 5, 8, 10, 11})
    void aNegativeCountIsEinval(int command) {
        assertEquals(-22, op(command, -1));
        assertEquals(-22, op(command, 0x8000_0000L));
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 5, 11})
    void anEmptyBatchSucceeds(int command) {
        assertEquals(0, call(wide, GRANT_TABLE_OP, command, NOWHERE, 0));
        assertEquals(-14, call(wide, GRANT_TABLE_OP, command, NOWHERE, 1));
    }

    @Test
    void eachMappingOfABatchHasItsStatus() throws XenError {
        for (int i = 0; i < 3; i++) {
            long at = ARG + 32L * i;
            memory.write64(at, 0x50_0000);
            memory.write32(at + 8, i == 0 ? 0 : 2);
            memory.write32(at + 12, 9);
            memory.write16(at + 16, i == 1 ? 99 : 1);
            memory.write16(at + 18, 77);
        }
        memory.write16(ARG + 2 * 32 + 16, SELF);
        assertEquals(0, op(0, 3));
        assertEquals(-3, status(18));
        assertEquals(-2, status(32 + 18));
        assertEquals(-2, status(64 + 18));
        assertEquals(0, op(1, 1));
        assertEquals(-4, status(20), "no such handle");
    }

    @Test
    void copyReadsItsArgumentInBothWidths() throws XenError {
        // Reference 9: page 0x200 to the domain itself.
        memory.write32(TABLE + 8 * 9 + 4, 0x200);
        memory.write32(TABLE + 8 * 9, 1 | 1 << 16);
        memory.write64(0x20_0010, 0x1122_3344_5566_7788L);
        memory.write32(ARG, 9);
        memory.write16(ARG + 8, 1);
        memory.write16(ARG + 10, 0x10);
        memory.write64(ARG + 16, 0x201);
        memory.write16(ARG + 24, SELF);
        memory.write16(ARG + 26, 0x20);
        memory.write16(ARG + 32, 8);
        memory.write16(ARG + 34, 1);
        memory.write16(ARG + 36, 77);
        assertEquals(0, op(5, 1));
        assertEquals(0, status(36));
        assertEquals(0x1122_3344_5566_7788L, memory.read64(0x20_1020));

        memory.write32(ARG, 0x201);
        memory.write16(ARG + 4, SELF);
        memory.write16(ARG + 6, 0x20);
        memory.write32(ARG + 8, 9);
        memory.write16(ARG + 12, 1);
        memory.write16(ARG + 14, 0x30);
        memory.write16(ARG + 16, 4);
        memory.write16(ARG + 18, 2);
        memory.write16(ARG + 20, 77);
        assertEquals(0, call(narrow, GRANT_TABLE_OP, 5, ARG, 1));
        assertEquals(0, status(20));
        assertEquals(0x5566_7788, memory.read32(0x20_0030));
    }

    @Test
    void aFaultEndsABatchAndKeepsItsEarlierOperations() throws XenError {
        long last = 0x1f_fff4; // the last structure that is in mapped memory
        memory.write32(last, 8);
        memory.write32(last + 4, 600);
        memory.write16(last + 8, 77);
        assertEquals(-14, call(wide, GRANT_TABLE_OP, 11, last, 2));
        assertEquals(-3, (short) memory.read16(last + 8));
    }

    @Test
    void pagesThatOthersUseAreNotTakenAway() throws XenError {
        memory.write32(TABLE + 8 * 9 + 4, 0x201);
        memory.write32(TABLE + 8 * 9, 1);
        GrantMapping mapping = new GrantMapping();
        GrantRef ref = new GrantRef(9);
        BackendMappings backend = guest.domain().grantTable().backend();
        assertEquals(GrantStatus.OKAY, backend.map(ref, DomId.DOM0, false, mapping));
        for (int i = 0; i < 3; i++) {
            memory.write64(0x20_0000 + 0x1000L * i, 5);
        }
        assertEquals(1, discardFour());
        assertEquals(0, memory.read64(0x20_0000));
        assertEquals(5, memory.read64(0x20_1000));
        assertEquals(0, memory.read64(0x20_2000));
        assertEquals(5, mapping.page().get(ValueLayout.JAVA_LONG, 0));
        assertEquals(0, discardFour(), "none of it is there");
        assertEquals(1, changeFour(6), "a fresh page for the second");
        assertEquals(0, memory.read64(0x20_1000));
        assertEquals(5, mapping.page().get(ValueLayout.JAVA_LONG, 0));
        backend.unmap(mapping);
        assertEquals(0, memory.read64(0x20_1000));
        assertEquals(1, discardFour());
    }

    /// XENMEM_decrease_reservation of four pages from 0x200 on.
    private long discardFour() throws XenError {
        return changeFour(1);
    }

    private long changeFour(int command) throws XenError {
        memory.write64(ARG + 0x100, 0x200);
        memory.write64(ARG, ARG + 0x100);
        memory.write64(ARG + 8, 1);
        memory.write32(ARG + 16, 2);
        memory.write32(ARG + 20, 0);
        memory.write16(ARG + 24, SELF);
        return call(wide, MEMORY_OP, command, ARG);
    }

    @Test
    void mappingMadeLaterIsOfTheCoveringPage() throws XenError {
        memory.write64(0x20_0000, 0x1234);
        memory.write32(TABLE + 8 * 9 + 4, 0x200);
        memory.write32(TABLE + 8 * 9, 1);
        GrantMapping mapping = new GrantMapping();
        GrantRef ref = new GrantRef(9);
        BackendMappings backend = guest.domain().grantTable().backend();
        assertEquals(GrantStatus.OKAY, backend.map(ref, DomId.DOM0, false, mapping));
        addToPhysmap(1, 0x200);
        assertEquals(0, memory.read64(0x20_0000), "a grant frame");
        assertEquals(0x1234, mapping.page().get(ValueLayout.JAVA_LONG, 0));
        backend.unmap(mapping);
        assertEquals(GrantStatus.OKAY, backend.map(ref, DomId.DOM0, false, mapping));
        memory.write64(0x20_0000, 0x99);
        assertEquals(0x99, mapping.page().get(ValueLayout.JAVA_LONG, 0), "now it is");
        backend.unmap(mapping);
    }

    @Test
    void backEndSeesScatteredPagesAsOnePiece() throws XenError {
        int[] frames = {0x201, 0x180, 0x181, 0x123};
        List<GrantRef> refs = new ArrayList<>();
        for (int i = 0; i < frames.length; i++) {
            refs.add(new GrantRef(9 + i));
            memory.write64(4096L * frames[i] + 0x800, 100 + i);
            memory.write32(TABLE + 8L * (9 + i) + 4, frames[i]);
            memory.write32(TABLE + 8L * (9 + i), 1);
        }
        BackendMappings backend = guest.domain().grantTable().backend();
        ContiguousViews views = new ContiguousViews();
        GrantRange range = new GrantRange();
        for (boolean readOnly : new boolean[] {false, true}) {
            assertEquals(
                    GrantStatus.OKAY, backend.mapRange(refs, DomId.DOM0, readOnly, views, range));
            MemorySegment view = range.view();
            assertEquals(4 * 4096, view.byteSize());
            assertEquals(readOnly, view.isReadOnly());
            for (int i = 0; i < frames.length; i++) {
                assertEquals(100 + i, view.get(ValueLayout.JAVA_LONG, 4096L * i + 0x800));
                memory.write64(4096L * frames[i] + 0x808, 7 + i);
                assertEquals(7 + i, view.get(ValueLayout.JAVA_LONG, 4096L * i + 0x808));
            }
            assertEquals(GrantStatus.OKAY, backend.unmapRange(range));
            assertThrows(IllegalStateException.class, () -> view.get(ValueLayout.JAVA_LONG, 0));
            assertThrows(IllegalArgumentException.class, () -> views.dissolve(view));
        }
        assertEquals(1, memory.read16(TABLE + 8 * 9));
    }

    @ParameterizedTest
    @ValueSource(longs = {0x180, 0xc_0000})
    void guestMapsAndUnmaps(long gfn) throws XenError {
        memory.write32(TABLE + 8 * 9 + 4, 0x201);
        memory.write32(TABLE + 8 * 9, TestDomain.ID.value() << 16 | 1);
        memory.write64(ARG, gfn << 12);
        memory.write32(ARG + 8, 2);
        memory.write32(ARG + 12, 9);
        memory.write16(ARG + 16, TestDomain.ID.value());
        assertEquals(0, op(0, 1));
        assertEquals(0, status(18));
        assertEquals(0x19, memory.read16(TABLE + 8 * 9), "reading and writing");

        long handle = memory.read32(ARG + 20);
        memory.write64(ARG, gfn << 12);
        memory.write64(ARG + 8, 0x1234);
        memory.write32(ARG + 16, (int) handle);
        assertEquals(0, op(1, 1));
        assertEquals(0, status(20));
        assertEquals(1, memory.read16(TABLE + 8 * 9));
        assertEquals(0, op(1, 1));
        assertEquals(GrantStatus.BAD_HANDLE.code(), status(20));
    }

    /// Twice as many and a few more than are served together, so that pages cross pieces, and RAM's end.
    private static final int MANY = 70;

    private void prepareMap(int i, long gfn, int ref) throws XenError {
        long at = ARG + 32L * i;
        memory.write64(at, gfn << 12);
        memory.write32(at + 8, 2);
        memory.write32(at + 12, ref);
        memory.write16(at + 16, TestDomain.ID.value());
        memory.write16(at + 18, 77);
    }

    @ParameterizedTest
    @ValueSource(longs = {0x180, 0xc_0000, 0xc_01f0})
    void guestMapsManyNeighboursAndUnmapsThemBackwards(long gfn) throws XenError {
        for (int i = 0; i < MANY; i++) {
            memory.write32(TABLE + 8L * (9 + i) + 4, 0x240 + i);
            memory.write32(TABLE + 8L * (9 + i), TestDomain.ID.value() << 16 | 1);
            memory.write32((0x240L + i) << 12, 1000 + i);
            prepareMap(i, gfn + i, 9 + i);
        }
        assertEquals(0, op(0, MANY));
        int[] handles = new int[MANY];
        for (int i = 0; i < MANY; i++) {
            assertEquals(0, status(32 * i + 18));
            handles[i] = memory.read32(ARG + 32L * i + 20);
            assertEquals(1000 + i, seen(gfn + i));
            assertEquals(0x19, memory.read16(TABLE + 8L * (9 + i)));
        }
        for (int i = 0; i < MANY; i++) {
            long at = ARG + 24L * i;
            memory.write64(at, (gfn + MANY - 1 - i) << 12);
            memory.write32(at + 16, handles[MANY - 1 - i]);
        }
        assertEquals(0, op(1, MANY));
        for (int i = 0; i < MANY; i++) {
            assertEquals(0, status(24 * i + 20));
            assertEquals(gfn < 0x800 ? 0 : -1, seen(gfn + i));
            assertEquals(1, memory.read16(TABLE + 8L * (9 + i)));
        }
    }

    private int seen(long gfn) {
        return guest.domain().memory().seenByGuest(gfn).get(ValueLayout.JAVA_INT, 0);
    }

    @Test
    void aFaultEndsAMappingBatchAndKeepsItsEarlierMappings() throws XenError {
        memory.write32(TABLE + 8 * 9 + 4, 0x201);
        memory.write32(TABLE + 8 * 9, TestDomain.ID.value() << 16 | 1);
        long last = 0x1f_ffe0; // the last structure that is in mapped memory
        memory.write64(last, 0x180L << 12);
        memory.write32(last + 8, 2);
        memory.write32(last + 12, 9);
        memory.write16(last + 16, TestDomain.ID.value());
        memory.write16(last + 18, 77);
        assertEquals(-14, call(wide, GRANT_TABLE_OP, 0, last, 2));
        assertEquals(0, (short) memory.read16(last + 18));
        assertEquals(0x19, memory.read16(TABLE + 8 * 9));
    }

    @Test
    void swapExchangesEntries() throws XenError {
        memory.write64(TABLE + 8 * 9, 0x1234);
        memory.write32(ARG, 9);
        memory.write32(ARG + 4, 10);
        memory.write16(ARG + 8, 77);
        assertEquals(0, op(11, 1));
        assertEquals(0, status(8));
        assertEquals(0, memory.read64(TABLE + 8 * 9));
        assertEquals(0x1234, memory.read64(TABLE + 8 * 10));
    }

    @Test
    void setupTableListsTheGuestFramesOfTheTable() throws XenError {
        long list = ARG + 0x100;
        memory.write16(ARG, SELF);
        memory.write32(ARG + 4, 2);
        memory.write16(ARG + 8, 77);
        memory.write64(ARG + 16, list);
        assertEquals(0, op(2, 1));
        assertEquals(0, status(8));
        assertEquals(TABLE >> 12, memory.read64(list));
        assertEquals(-1, memory.read64(list + 8), "grown, but not in the guest's address space");
        memory.write32(ARG + 4, 5);
        assertEquals(0, op(2, 1));
        assertEquals(-1, status(8));
        memory.write32(ARG + 4, 1);
        memory.write64(ARG + 16, NOWHERE);
        assertEquals(0, op(2, 1));
        assertEquals(-5, status(8));
        assertEquals(-22, op(2, 2));
    }

    @Test
    void setupTableOfA32BitGuestKnowsOnlyPlacedFrames() throws XenError {
        long list = ARG + 0x100;
        memory.write16(ARG, SELF);
        memory.write32(ARG + 4, 2);
        memory.write16(ARG + 8, 77);
        memory.write32(ARG + 12, (int) list);
        memory.write32(list + 4, 5);
        assertEquals(0, call(narrow, GRANT_TABLE_OP, 2, ARG, 1));
        assertEquals(-11, status(8));
        assertEquals(TABLE >> 12, memory.read32(list));
        assertEquals(5, memory.read32(list + 4));
        assertEquals(0, call(narrow, GRANT_TABLE_OP, 2, NOWHERE, 0));
        assertEquals(-22, op(2, 0));
        assertEquals(-22, call(narrow, GRANT_TABLE_OP, 2, ARG, 2));
    }

    @Test
    void specialPageCannotBeOverAGrantMapping() throws XenError {
        memory.write32(TABLE + 8 * 9 + 4, 0x201);
        memory.write32(TABLE + 8 * 9, TestDomain.ID.value() << 16 | 1);
        memory.write64(ARG, 0x18_0000);
        memory.write32(ARG + 8, 2);
        memory.write32(ARG + 12, 9);
        memory.write16(ARG + 16, TestDomain.ID.value());
        assertEquals(0, op(0, 1));
        assertEquals(0, status(18));

        memory.write16(ARG, SELF);
        memory.write32(ARG + 4, 1);
        memory.write64(ARG + 8, 1);
        memory.write64(ARG + 16, 0x180);
        assertEquals(-6, call(wide, MEMORY_OP, 7, ARG));
    }

    @Test
    void statusFramesAppearWithVersionTwoAndGoWithIt() throws XenError {
        memory.write32(ARG, 2);
        assertEquals(0, op(8, 7), "the count is not looked at");
        assertEquals(2, memory.read32(ARG));
        memory.write64(0x30_0000, 5);
        addToPhysmap(0x8000_0000L, 0x300);
        assertEquals(0, memory.read64(0x30_0000));
        memory.write64(0x30_0000, 6);
        memory.write32(ARG, 1);
        assertEquals(0, op(8, 1));
        assertEquals(0, memory.read64(0x30_0000), "RAM again");
        memory.write16(ARG, SELF);
        assertEquals(0, op(10, 1));
        assertEquals(1, memory.read32(ARG + 4));
    }
}
