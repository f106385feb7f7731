package io.xenemu.core.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.core.domain.Domain;
import io.xenemu.core.memory.SpecialPages;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.gnttab.GrantStatus;
import io.xenemu.gnttab.MapBatch;
import io.xenemu.gnttab.UnmapBatch;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;

/// What guests do that share pages and event channels.
final class SharingGuests {
    /// A page of the granting guest, and its place in the other.
    static final long GRANTED_GFN = 0x500;

    static final long MAPPED_GFN = 0x600;
    private static final int GREF = 9;
    private static final int PERMIT_ACCESS = 1;
    private static final int HOST_MAP = 2;
    private static final int SHARED_PENDING = 0x800;
    private static final VarHandle WORDS = ValueLayout.JAVA_INT.varHandle();

    private SharingGuests() {}

    /// Lets a guest grant a page to another one.
    static void grant(Domain from, Domain to) {
        MemorySegment entries = from.special().page(SpecialPages.grantFrame(0));
        entries.set(ValueLayout.JAVA_INT, GREF * 8L + 4, Math.toIntExact(GRANTED_GFN));
        entries.set(ValueLayout.JAVA_SHORT, GREF * 8L + 2, (short) to.id().value());
        entries.set(ValueLayout.JAVA_SHORT, GREF * 8L, (short) PERMIT_ACCESS);
    }

    /// Lets a guest map the page of another one.
    ///
    /// @return the handle
    static int map(Domain from, Domain to) {
        grant(from, to);
        MapBatch batch = new MapBatch();
        batch.add(MAPPED_GFN << 12, HOST_MAP, GREF, from.id());
        to.grantTable().map(batch);
        assertEquals(GrantStatus.OKAY, batch.status(0));
        return batch.handle(0);
    }

    /// Ends the mapping.
    static GrantStatus unmap(Domain by, int handle) {
        UnmapBatch batch = new UnmapBatch();
        batch.add(MAPPED_GFN << 12, handle);
        by.grantTable().unmap(batch);
        return batch.status(0);
    }

    /// Takes an event, as a guest does.
    ///
    /// @return whether there was one
    static boolean takePending(Domain domain, EvtchnPort port) {
        MemorySegment page = domain.special().page(SpecialPages.SHARED_INFO);
        long at = SHARED_PENDING + port.value() / Integer.SIZE * (long) Integer.BYTES;
        int bit = 1 << port.value() % Integer.SIZE;
        return ((int) WORDS.getAndBitwiseAnd(page, at, ~bit) & bit) != 0;
    }
}
