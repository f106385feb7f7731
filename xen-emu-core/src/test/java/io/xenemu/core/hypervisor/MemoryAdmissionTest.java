package io.xenemu.core.hypervisor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.domain.EventChannelConfig;
import io.xenemu.gnttab.GrantLimits;
import java.util.UUID;
import org.junit.jupiter.api.Test;

class MemoryAdmissionTest {
    private static final long GIB = 1L << 30;

    private long available = 6 * GIB;
    private final MemoryAdmission memory = new MemoryAdmission(() -> available);

    private static DomainConfig guest(String name, long bytes) {
        return new DomainConfig(
                name,
                new UUID(1, 2),
                bytes,
                4,
                0x0004_0013,
                GrantLimits.defaults(),
                EventChannelConfig.DEFAULT);
    }

    private String refused(DomainConfig guest) {
        return assertThrows(BootException.class, () -> memory.admit(guest, false)).getMessage();
    }

    @Test
    void guestThatDoesNotFitIsRefusedWithTheNumbers() {
        assertEquals(
                "web: 16384 MiB of RAM, and 69 MiB to run it, are more than is left: of the 6144 MiB that the host had for"
                        + " guests, others have 0 MiB; --overcommit starts it anyway",
                refused(guest("web", 16 * GIB)));
    }

    @Test
    void memoryThatAGuestHasNotUsedYetIsNotFree() throws BootException {
        memory.admit(guest("first", 4 * GIB), false);
        assertEquals(
                "second: 4096 MiB of RAM, and 21 MiB to run it, are more than is left: of the 6144 MiB that the host had for"
                        + " guests, others have 4117 MiB; --overcommit starts it anyway",
                refused(guest("second", 4 * GIB)));
    }

    @Test
    void memoryThatAGuestHasHadBeforeTheServiceStartedIsItsOwn() throws BootException {
        MemoryAdmission.Share share = memory.admit(guest("web", 8 * GIB), false, 4 * GIB);
        assertTrue(refused(guest("db", 3 * GIB)).contains("of the 10240 MiB that the host had"));
        share.close();
        assertTrue(refused(guest("db", 16 * GIB)).contains("others have 0 MiB"));
    }

    @Test
    void guestCountsWithTheMostThatItCanEverHave() {
        DomainConfig guest =
                new DomainConfig(
                        "web",
                        new UUID(1, 2),
                        GIB,
                        16 * GIB,
                        4,
                        0x0004_0013,
                        GrantLimits.defaults(),
                        EventChannelConfig.DEFAULT);
        assertEquals(refused(guest("web", 16 * GIB)), refused(guest));
    }

    @Test
    void memoryThatOtherProcessesHaveTakenIsNotFree() {
        available = GIB;
        assertEquals(
                "web: 2048 MiB of RAM, and 13 MiB to run it, are more than the 1024 MiB that the host has available;"
                        + " --overcommit starts it anyway",
                refused(guest("web", 2 * GIB)));
    }

    @Test
    void shareIsFreeAgainWhenTheGuestIsGone() throws BootException {
        for (int i = 0; i < 3; i++) {
            try (MemoryAdmission.Share _ = memory.admit(guest("web", 4 * GIB), false)) {
                refused(guest("other", 4 * GIB));
            }
        }
    }

    @Test
    void overcommittedGuestIsStartedAndCounts() throws BootException {
        try (MemoryAdmission.Share _ = memory.admit(guest("big", 256 * GIB), true)) {
            refused(guest("small", 8L << 20));
        }
        memory.admit(guest("small", 8L << 20), false).close();
    }

    @Test
    void onlyMemoryThatNoGuestHasAShareOfIsLent() throws BootException {
        try (MemoryAdmission.Share _ = memory.admit(guest("web", 4 * GIB), false)) {
            assertNull(memory.lend(2 * GIB));
            try (MemoryAdmission.Share lent = memory.lend(GIB)) {
                assertNotNull(lent);
                assertNull(memory.lend(GIB));
            }
        }
        available = GIB;
        assertNull(memory.lend(2 * GIB));
    }
}
