package io.xenemu.core.hypercall;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.kvm.abi.XenError;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Memory and grant table operations as a guest makes them.
final class MemoryCallsTest extends CallingGuest {
    private static final int MEMORY_OP = 12;
    private static final int GRANT_TABLE_OP = 20;

    /// A list of frame numbers.
    private static final long LIST = ARG + 0x2000;

    MemoryCallsTest() throws BootException, XenError {
        super(new TestDomain(2));
    }

    /// `struct xen_add_to_physmap`.
    private void addToPhysmap(int space, long index, long gfn) throws XenError {
        memory.write16(ARG, SELF);
        memory.write32(ARG + 4, space);
        memory.write64(ARG + 8, index);
        memory.write64(ARG + 16, gfn);
    }

    private long owned() throws XenError {
        memory.write16(ARG, SELF);
        return call(MEMORY_OP, 3, ARG);
    }

    /// One extent of a `struct xen_memory_reservation`.
    private long reservation(int command, long gfn, int order) throws XenError {
        memory.write64(LIST, gfn);
        return reservation(command, LIST, 1, order, 0, SELF);
    }

    private long reservation(long command, long list, long count, int order, int flags, int domid)
            throws XenError {
        memory.write64(ARG, list);
        memory.write64(ARG + 8, count);
        memory.write32(ARG + 16, order);
        memory.write32(ARG + 20, flags);
        memory.write16(ARG + 24, domid);
        return call(MEMORY_OP, command, ARG);
    }

    private long removeFromPhysmap(long gfn) throws XenError {
        memory.write16(ARG, SELF);
        memory.write64(ARG + 8, gfn);
        return call(MEMORY_OP, 15, ARG);
    }

    @Test
    void grantTableTellsItsSize() throws XenError {
        memory.write16(ARG, SELF);
        assertEquals(0, call(GRANT_TABLE_OP, 6, ARG, 1));
        assertEquals(4, memory.read32(ARG + 8));
        assertEquals(0, memory.read16(ARG + 12));

        assertEquals(-22, call(GRANT_TABLE_OP, 6, ARG, 2));
    }

    @Test
    void refusedGrantVersionTellsTheOneInForce() throws XenError {
        memory.write32(ARG, 3);

        assertEquals(-22, call(GRANT_TABLE_OP, 8, ARG, 1));
        assertEquals(1, memory.read32(ARG));
    }

    @Test
    void memoryMapGivesTheEntriesThatFit() throws XenError {
        List<GuestMemoryMap.Entry> entries = guest.domain().memoryMap().entries();
        memory.write32(ARG, 2);
        memory.write64(ARG + 8, ARG + 0x1000);

        assertEquals(0, call(MEMORY_OP, 9, ARG));

        assertEquals(2, memory.read32(ARG));
        assertEquals(entries.get(1).start(), memory.read64(ARG + 0x1000 + 20));
        assertEquals(entries.get(1).length(), memory.read64(ARG + 0x1000 + 28));
        assertEquals(2, memory.read32(ARG + 0x1000 + 36));
        assertEquals(0, memory.read32(ARG + 0x1000 + 40));
    }

    @Test
    void memoryMapOfA32BitGuestHasItsBufferElsewhere() throws XenError {
        memory.write32(ARG, 128);
        memory.write32(ARG + 4, (int) ARG + 0x1000);

        assertEquals(0, call(narrow, MEMORY_OP, 9, ARG));

        assertEquals(guest.domain().memoryMap().entries().size(), memory.read32(ARG));
        assertEquals(1, memory.read32(ARG + 0x1000 + 16));
    }

    @ParameterizedTest
    @CsvSource({"3, 0x7ff0, 2064", "4, 1, 2304", "3, 0, -1", "3, 9, -3", "4, 0xffff, -3"})
    void reservationIsTheDomainsRam(int command, String domid, long expected) throws XenError {
        memory.write16(ARG, Integer.decode(domid));

        assertEquals(expected, call(MEMORY_OP, command, ARG));
    }

    @Test
    void grantFramesAppearAtTheRequestedFrames() throws XenError {
        addToPhysmap(1, 2, 0xc_0000);
        assertEquals(0, call(MEMORY_OP, 7, ARG));
        memory.write32(0xc000_0000L, 5);

        addToPhysmap(1, 4, 0xc_0001);
        assertEquals(-22, call(MEMORY_OP, 7, ARG));
        addToPhysmap(1, -1, 0xc_0001);
        assertEquals(-22, call(MEMORY_OP, 7, ARG));
        addToPhysmap(1, 0, -1);
        assertEquals(-22, call(MEMORY_OP, 7, ARG));
        addToPhysmap(-1, 0, 0xc_0001);
        assertEquals(-22, call(MEMORY_OP, 7, ARG));
    }

    @ParameterizedTest
    @CsvSource({
        "4, 0x7ff0, -38",
        "4, 9, -38",
        "5, 0x7ff0, -13",
        "5, 1, -13",
        "5, 9, -3",
        "0, 9, -3",
        "99, 0x7ff0, -22"
    })
    void otherSpacesAndDomainsAreRefusedInXensOrder(int space, String domid, long expected)
            throws XenError {
        addToPhysmap(space, 0, 0xc_0001);
        memory.write16(ARG, Integer.decode(domid));
        assertEquals(expected, call(MEMORY_OP, 7, ARG));
    }

    @Test
    void invalidFrameIsRefusedBeforeTheTableGrows() throws XenError {
        addToPhysmap(1, 2, -1);
        assertEquals(-22, call(MEMORY_OP, 7, ARG));
        assertEquals(1, guest.domain().grantTable().frames());
    }

    @Test
    void specialPageAndThenTheRamBelowCanBeRemoved() throws XenError {
        addToPhysmap(1, 0, 0x123);
        assertEquals(0, call(MEMORY_OP, 7, ARG));

        assertEquals(-2, removeFromPhysmap(-1));
        assertEquals(-2, removeFromPhysmap(0xc_0000));
        assertEquals(0, removeFromPhysmap(0x123));
        assertEquals(0, removeFromPhysmap(0x123));
        assertEquals(-2, removeFromPhysmap(0x123));
        assertEquals(2064, owned(), "removed RAM stays the domain's");
        assertEquals(1, reservation(6, 0x123, 0));
        assertEquals(2065, owned());
        assertEquals(0, removeFromPhysmap(0x123));
    }

    @Test
    void pageTakenTwiceIsCountedOnce() throws XenError {
        memory.write64(LIST, 0x130);
        memory.write64(LIST + 8, 0x131);
        memory.write64(LIST + 16, 0x130);
        memory.write64(LIST + 24, 0x132);
        assertEquals(2, reservation(1, LIST, 4, 0, 0, SELF));
        assertEquals(2062, owned());
        assertEquals(0, reservation(1, 0x12f, 1), "its second page is gone");
        assertEquals(2061, owned(), "its first has gone with it");
        assertEquals(0, reservation(6, LIST, 4, 0, 1 << 16, SELF), "on demand");
        assertEquals(4, reservation(6, LIST, 4, 0, 0, SELF), "RAM before or not");
        assertEquals(2065, owned());
    }

    @Test
    void domainMayOwnAMebibyteMoreThanItsMemory() throws XenError {
        assertEquals(239, reservation(0, 0, 239, 0, 0, SELF));
        assertEquals(1, reservation(0, NOWHERE, 1, 0, 0, SELF), "the list is not looked at");
        assertEquals(0, reservation(0, 0, 1, 0, 0, SELF));
        assertEquals(0, reservation(6, 0x130, 0));
        assertEquals(1, reservation(1, 0x130, 0));
        assertEquals(1, reservation(6, 0x130, 0));
        assertEquals(2304, owned());
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 6})
    void failingReservationCallReturnsTheExtentsDone(int command) throws XenError {
        memory.write64(LIST, 0x130);
        long go = command | 3 << 6;
        assertEquals(0, call(MEMORY_OP, command, NOWHERE));
        assertEquals(3, call(MEMORY_OP, go, NOWHERE));
        assertEquals(0, reservation(command, LIST, 1L << 26, 0, 0, SELF));
        assertEquals(0, reservation(command, LIST, -1, 0, 0, SELF));
        assertEquals(0, reservation(command, LIST, 1, 10, 0, SELF));
        assertEquals(0, reservation(command, LIST, 1, 0, 0, 0), "another domain");
        assertEquals(3, reservation(go, LIST, 8, 0, 0, 9), "an unknown domain");
        assertEquals(0, reservation(command, LIST, 1, 0, 12, SELF), "12 address bits");
        assertEquals(0, reservation(command, LIST, 1, 0, 1 << 17 | 1 << 8, SELF));
        assertEquals(3, reservation(go, LIST, 2, 0, 0, SELF), "done already");
        memory.write64(LIST + 24, 0x131);
        assertEquals(4, reservation(go, LIST, 4, 0, 13 | 1 << 17, SELF), "only the fourth");
    }

    @ParameterizedTest
    @CsvSource({"3, -22", "4, -22", "15, -22", "9, -38"})
    void operationsThatAreNeverInterruptedTakeNoContinuation(int command, long expected)
            throws XenError {
        memory.write16(ARG, SELF);
        assertEquals(expected, call(MEMORY_OP, command | 1 << 6, ARG));
        assertEquals(expected, call(narrow, MEMORY_OP, command | 1 << 6, ARG));
    }

    @Test
    void continuationBeyond16BitsIsEdom() throws XenError {
        addToPhysmap(1, 0, 0x123);
        assertEquals(0, call(MEMORY_OP, 7 | 0xffff << 6, ARG));
        assertEquals(-33, call(MEMORY_OP, 7 | 0x1_0000 << 6, ARG));
    }
}
