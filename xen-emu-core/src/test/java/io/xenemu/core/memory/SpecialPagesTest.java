package io.xenemu.core.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.memory.GuestMemory;
import java.lang.foreign.MemorySegment;
import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

final class SpecialPagesTest {
    private static final int GRANT_FRAMES = 3;
    private static final int STATUS_FRAMES = 2;

    private final SpecialPages special = new SpecialPages("test", GRANT_FRAMES, STATUS_FRAMES);

    @AfterEach
    void close() {
        special.close();
    }

    @Test
    void everyPageHasItsOwnMemory() {
        assertEquals(SpecialPages.FIXED_PAGES + 1 + GRANT_FRAMES + STATUS_FRAMES, special.count());
        Set<Long> addresses = new HashSet<>();
        for (int page = 0; page < special.count(); page++) {
            MemorySegment segment = special.page(page);
            assertEquals(GuestMemory.PAGE_SIZE, segment.byteSize());
            assertTrue(addresses.add(segment.address()), "page " + page);
        }
    }

    @Test
    void grantFramesFollowSharedInfo() {
        assertEquals(SpecialPages.SHARED_INFO + 1, SpecialPages.grantFrame(0));
        assertEquals(SpecialPages.grantFrame(GRANT_FRAMES - 1) + 1, special.statusFrame(0));
        assertEquals(special.count() - 1, special.statusFrame(STATUS_FRAMES - 1));
        int beyond = special.statusFrame(STATUS_FRAMES);
        assertThrows(IndexOutOfBoundsException.class, () -> special.page(beyond));
    }
}
