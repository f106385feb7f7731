package io.xenemu.core.hypercall;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.abi.xen.VersionStructs.CompileInfo;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// The attacks of Xen's security advisories on the hypercalls of HVM guests fail here. Each has one method, named after
/// the advisory.
final class HypercallAdvisoryTest extends CallingGuest {
    private static final int MEMORY_OP = 12;
    private static final int XEN_VERSION = 17;
    private static final int GRANT_TABLE_OP = 20;
    private static final int MAP = 0;
    private static final int UNMAP = 1;
    private static final int SETUP_TABLE = 2;
    private static final int TRANSFER = 4;
    private static final int COPY = 5;
    private static final int SET_VERSION = 8;
    private static final int GET_STATUS_FRAMES = 9;
    private static final int DECREASE_RESERVATION = 1;
    private static final int CURRENT_RESERVATION = 3;
    private static final int POPULATE_PHYSMAP = 6;
    private static final int ADD_TO_PHYSMAP = 7;
    private static final int EXCHANGE = 11;
    private static final int REMOVE_FROM_PHYSMAP = 15;
    private static final int COMMANDS = 64;
    private static final int ENOSYS = -38;
    private static final int EINVAL = -22;

    private static final int POISON = 0xa5;
    private static final int NO_STATUS = 77;
    private static final long LIST = ARG + 0x1_0000;

    /// The guest's grant table, and a page that it grants itself by reference 9.
    private static final long TABLE = 0x12_3000;

    private static final long GRANTED = 0x20_1000;
    private static final int REF = 9;

    HypercallAdvisoryTest() throws BootException, XenError {
        super(new TestDomain(1));
    }

    @BeforeEach
    void grant() throws XenError {
        addToPhysmap(1, 0, TABLE >> 12);
        assertEquals(0, call(wide, MEMORY_OP, ADD_TO_PHYSMAP, ARG));
        memory.write32(TABLE + 8 * REF + 4, (int) (GRANTED >> 12));
        memory.write32(TABLE + 8 * REF, TestDomain.ID.value() << 16 | 1);
        memory.write64(GRANTED, 5);
    }

    private void fill(long address, int length, int value) throws XenError {
        for (int i = 0; i < length; i++) {
            memory.write8(address + i, value);
        }
    }

    /// `struct xen_add_to_physmap`.
    private void addToPhysmap(int space, long index, long gfn) throws XenError {
        memory.write16(ARG, SELF);
        memory.write32(ARG + 4, space);
        memory.write64(ARG + 8, index);
        memory.write64(ARG + 16, gfn);
    }

    /// `struct xen_memory_reservation` of one page.
    private void reservation(long gfn) throws XenError {
        memory.write64(LIST, gfn);
        memory.write64(ARG, LIST);
        memory.write64(ARG + 8, 1);
        memory.write32(ARG + 16, 0);
        memory.write32(ARG + 20, 0);
        memory.write16(ARG + 24, SELF);
    }

    /// `struct gnttab_map_grant_ref` of the reference, and its status.
    private int map(long address) throws XenError {
        memory.write64(ARG, address);
        memory.write32(ARG + 8, 2);
        memory.write32(ARG + 12, REF);
        memory.write16(ARG + 16, TestDomain.ID.value());
        memory.write16(ARG + 18, NO_STATUS);
        assertEquals(0, call(wide, GRANT_TABLE_OP, MAP, ARG, 1));
        return (short) memory.read16(ARG + 18);
    }

    /// `struct gnttab_unmap_grant_ref`, and its status.
    private int unmap(long address, long busAddress, int handle) throws XenError {
        memory.write64(ARG, address);
        memory.write64(ARG + 8, busAddress);
        memory.write32(ARG + 16, handle);
        memory.write16(ARG + 20, NO_STATUS);
        assertEquals(0, call(wide, GRANT_TABLE_OP, UNMAP, ARG, 1));
        return (short) memory.read16(ARG + 20);
    }

    /// The unused rest of a text's buffer had bytes of Xen's stack.
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4, 5, 6, 8, 9})
    void xsa122_answersOfVersionHaveNothingOfEarlierCalls(int command) throws XenError {
        fill(ARG, 4096, POISON);
        wide.argument().copyIn(CompileInfo.STRUCT, ARG);
        fill(ARG, 4096, 0);
        assertEquals(0, call(wide, XEN_VERSION, command, ARG));
        for (int i = 0; i < 4096; i++) {
            assertNotEquals(POISON, memory.read8(ARG + i), "at " + i);
        }
    }

    /// In Xen, a page of an HVM guest was given away while its device model still had access. Here no page changes its
    /// owner.
    @Test
    void xsa217_pagesAreNeitherTransferredNorExchanged() throws XenError {
        fill(ARG, 24, 0);
        memory.write64(ARG, GRANTED >> 12);
        memory.write16(ARG + 8, TestDomain.ID.value());
        memory.write32(ARG + 12, REF);
        assertEquals(ENOSYS, call(wide, GRANT_TABLE_OP, TRANSFER, ARG, 1));

        reservation(GRANTED >> 12);
        for (int i = 0; i < 32; i += 8) {
            memory.write64(ARG + 32 + i, memory.read64(ARG + i));
        }
        memory.write64(ARG + 64, 0);
        assertTrue(call(wide, MEMORY_OP, EXCHANGE, ARG) < 0);

        assertEquals(5, memory.read64(GRANTED));
        assertEquals(GRANTED >> 12, memory.read64(LIST));
    }

    /// In Xen, each unmap with a bus address but no device mapping dropped a reference to the page.
    @Test
    void xsa224_busAddressOfAnUnmapEndsNothing() throws XenError {
        long at = 0x18_0000;
        assertEquals(0, map(at));
        int handle = memory.read32(ARG + 20);
        long busAddress = memory.read64(ARG + 24);
        for (int i = 0; i < 300; i++) {
            assertEquals(0, unmap(0, busAddress, handle));
        }
        assertEquals(0x19, memory.read16(TABLE + 8 * REF), "reading and writing");
        reservation(GRANTED >> 12);
        assertEquals(1, call(wide, MEMORY_OP, DECREASE_RESERVATION, ARG));
        assertEquals(5, memory.read64(GRANTED), "kept for who has it mapped");
        assertEquals(0, unmap(at, busAddress, handle));
        assertEquals(1, memory.read16(TABLE + 8 * REF));
    }

    /// Xen ignored the upper bits of a frame number in one place, and used them in another.
    @ParameterizedTest
    @ValueSource(longs = {1L << 40, 1L << 52, 1L << 60, Long.MIN_VALUE})
    void xsa301_frameNumbersHaveNoAlias(long bits) throws XenError {
        long gfn = bits | GRANTED >> 12;
        addToPhysmap(1, 1, gfn);
        assertEquals(EINVAL, call(wide, MEMORY_OP, ADD_TO_PHYSMAP, ARG));
        addToPhysmap(0, 0, gfn);
        assertEquals(EINVAL, call(wide, MEMORY_OP, ADD_TO_PHYSMAP, ARG));
        reservation(gfn);
        assertEquals(0, call(wide, MEMORY_OP, DECREASE_RESERVATION, ARG));
        reservation(gfn);
        assertEquals(0, call(wide, MEMORY_OP, POPULATE_PHYSMAP, ARG));
        memory.write16(ARG, SELF);
        memory.write64(ARG + 8, bits | TABLE >> 12);
        assertTrue(call(wide, MEMORY_OP, REMOVE_FROM_PHYSMAP, ARG) < 0);
        assertEquals(5, memory.read64(GRANTED));
        assertEquals(TABLE >> 12, guest.domain().pages().grantFrameGfn(0));
    }

    /// In Xen, an interrupted batch of copies left the status of its elements as the guest had set it.
    @Test
    void xsa318_everyCopyOfABatchHasItsStatus() throws XenError {
        int count = 400;
        for (int i = 0; i < count; i++) {
            long at = LIST + 40L * i;
            memory.write64(at, i % 3 == 0 ? REF : 600);
            memory.write16(at + 8, TestDomain.ID.value());
            memory.write16(at + 10, 0);
            memory.write64(at + 16, 0x180);
            memory.write16(at + 24, SELF);
            memory.write16(at + 26, 0);
            memory.write16(at + 32, i % 3 == 1 ? 0 : 8);
            memory.write16(at + 34, 1);
            memory.write16(at + 36, NO_STATUS);
        }
        assertEquals(0, call(wide, GRANT_TABLE_OP, COPY, LIST, count));
        for (int i = 0; i < count; i++) {
            int expected = i % 3 == 2 ? -3 : 0;
            assertEquals(expected, (short) memory.read16(LIST + 40L * i + 36), "copy " + i);
        }
    }

    /// Xen wrote more frame numbers than it had checked the guest's array for.
    @Test
    void xsa382_noMoreFramesAreListedThanAreAskedFor() throws XenError {
        memory.write32(ARG, 2);
        assertEquals(0, call(wide, GRANT_TABLE_OP, SET_VERSION, ARG, 1));
        fill(LIST, 256, POISON);
        memory.write32(ARG, 1);
        memory.write16(ARG + 4, SELF);
        memory.write16(ARG + 6, 0);
        memory.write64(ARG + 8, LIST);
        assertEquals(ENOSYS, call(wide, GRANT_TABLE_OP, GET_STATUS_FRAMES, ARG, 1));
        assertEquals(POISON, memory.read8(LIST));

        memory.write16(ARG, SELF);
        memory.write32(ARG + 4, 1);
        memory.write32(ARG + 12, (int) LIST);
        assertEquals(0, call(narrow, GRANT_TABLE_OP, SETUP_TABLE, ARG, 1));
        assertEquals(TABLE >> 12, memory.read32(LIST));
        for (int i = 4; i < 256; i++) {
            assertEquals(POISON, memory.read8(LIST + i));
        }
    }

    /// A caller in 32-bit mode can leave values in the upper halves of registers. In Xen they ran into checks of where
    /// a long call goes on.
    @Test
    void xsa454_upperHalvesOfRegistersHarmNobody() throws XenError {
        long upper = 0xdead_beefL << 32;
        for (int command = 0; command < COMMANDS; command++) {
            for (long start : new long[] {0, 1L << 6, 1L << 31, upper}) {
                reservation(0x180);
                long _ = call(narrow, MEMORY_OP, command | start, ARG | upper, upper);
                reservation(0x180);
                long _ = call(wide, MEMORY_OP, command | start, ARG, upper);
                assertNull(guest.domain().shutdownLatch().get(), "command " + command);
            }
        }
        memory.write16(ARG, SELF);
        long expected = call(narrow, MEMORY_OP, CURRENT_RESERVATION, ARG);
        assertTrue(expected > 0);
        assertEquals(expected, call(narrow, MEMORY_OP, CURRENT_RESERVATION | upper, ARG | upper));
    }
}
