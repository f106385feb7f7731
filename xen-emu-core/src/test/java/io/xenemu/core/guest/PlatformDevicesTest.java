package io.xenemu.core.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.boot.AcpiTables;
import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.device.GenerationId;
import io.xenemu.core.device.PortBus;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.HvmParams;
import io.xenemu.core.domain.ShutdownReason;
import io.xenemu.core.memory.SpecialPages;
import io.xenemu.core.startup.TrainingKernel;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.xenstore.client.XenStoreClient;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.List;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The platform of a guest on a fake VM, from its settings to what the guest sees.
final class PlatformDevicesTest {
    private static final long SHARED_INFO_GFN = 0x20;

    /// The most by which two readings of the clock may differ on a busy host.
    private static final long SLACK_SECONDS = 30;

    private static GenerationId inMemory(SavableGuest guest) throws XenError {
        return inMemory(guest.domain());
    }

    private static GenerationId inMemory(Domain domain) throws XenError {
        GuestMemory memory = domain.memory().guest();
        return new GenerationId(
                memory.read64(GuestMemoryMap.GENERATION_ID),
                memory.read64(GuestMemoryMap.GENERATION_ID + 8));
    }

    private static String node(SavableGuest guest, String path) throws XenError {
        try (XenStoreClient client = guest.hypervisor.xenstore().client()) {
            return client.read(path.replace("~", "/local/domain/" + guest.domain().id().value()));
        }
    }

    private static final String GENERATION_NODE = "~/platform/generation-id";

    @Test
    void generationIdIsInMemoryXenStoreAndParameter() throws Exception {
        try (SavableGuest guest = new SavableGuest()) {
            assertEquals(SavableGuest.GENERATION, inMemory(guest));
            assertEquals(SavableGuest.GENERATION.text(), node(guest, GENERATION_NODE));
            assertEquals(
                    GuestMemoryMap.GENERATION_ID,
                    guest.domain().params().get(HvmParams.VM_GENERATION_ID_ADDR));
        }
    }

    @Test
    void restoredGuestKeepsItsGenerationIdUntilItBecomesACopy() throws Exception {
        try (SavableGuest old = new SavableGuest()) {
            SavedGuest saved = SavableGuest.read(old.save());
            try (SavableGuest copy =
                    new SavableGuest(saved, to -> to.ram().copyFrom(old.domain().memory().ram()))) {
                assertEquals(SavableGuest.GENERATION, inMemory(copy));
                assertEquals(SavableGuest.GENERATION.text(), node(copy, GENERATION_NODE));
                assertEquals(0, copy.ports().read(AcpiTables.EVENT_PORT, 1));

                copy.boot().becomeCopy();

                GenerationId renewed = inMemory(copy);
                assertNotEquals(SavableGuest.GENERATION, renewed);
                assertTrue(renewed.exists());
                assertEquals(renewed.text(), node(copy, GENERATION_NODE));
                assertEquals(renewed, copy.boot().platform().generation());
                assertEquals(renewed, SavableGuest.read(copy.save()).acpi().generation());
                assertEquals(
                        AcpiTables.EVENT_GENERATION_ID,
                        copy.ports().read(AcpiTables.EVENT_PORT, 1));
                assertEquals(SavableGuest.GENERATION, inMemory(old));
            }
        }
    }

    private static int cmos(PortBus ports, int register) {
        ports.write(0x70, 1, register);
        int value = ports.read(0x71, 1);
        return (value >> 4) * 10 + (value & 0xf);
    }

    private static void cmos(PortBus ports, int register, int value) {
        ports.write(0x70, 1, register);
        ports.write(0x71, 1, value);
    }

    /// The time that the guest's clock shows, read again if a second ended meanwhile.
    private static Instant clock(SavableGuest guest) {
        return clock(guest.ports());
    }

    private static Instant clock(PortBus ports) {
        while (true) {
            int second = cmos(ports, 0);
            LocalDateTime time =
                    LocalDateTime.of(
                            cmos(ports, 0x32) * 100 + cmos(ports, 9),
                            cmos(ports, 8),
                            cmos(ports, 7),
                            cmos(ports, 4),
                            cmos(ports, 2),
                            second);
            if (cmos(ports, 0) == second) {
                return time.toInstant(ZoneOffset.UTC);
            }
        }
    }

    private static void assertNow(long offset, Instant shown) {
        long off = shown.getEpochSecond() - offset - Instant.now().getEpochSecond();
        assertTrue(Math.abs(off) <= SLACK_SECONDS, off + " s");
    }

    /// The time of the wall clock in shared_info, at the offsets that Xen's headers give.
    private static Instant wallClock(Domain domain) {
        MemorySegment page = domain.special().page(SpecialPages.SHARED_INFO);
        boolean wide = domain.sharedInfo().width() == GuestWidth.BITS_64;
        long at = wide ? 0xc00 : 0x900;
        assertEquals(0, page.get(ValueLayout.JAVA_INT, at) & 1, "its version");
        long low = Integer.toUnsignedLong(page.get(ValueLayout.JAVA_INT, at + 4));
        long high = page.get(ValueLayout.JAVA_INT, wide ? 0xc0c : 0x924);
        return Instant.ofEpochSecond(high << 32 | low, page.get(ValueLayout.JAVA_INT, at + 8))
                .plusNanos(domain.vm().clock());
    }

    @Test
    void clockAndWallClockHaveTheSameOffset() throws Exception {
        try (SavableGuest guest = new SavableGuest()) {
            Domain domain = guest.domain();
            assertNow(SavableGuest.CLOCK_OFFSET, clock(guest));
            domain.sharedInfo().map(0, SHARED_INFO_GFN);
            assertNow(SavableGuest.CLOCK_OFFSET, wallClock(domain));
            for (GuestWidth width : List.of(GuestWidth.BITS_32, GuestWidth.BITS_64)) {
                domain.sharedInfo().latchWidth(width);
                assertNow(SavableGuest.CLOCK_OFFSET, wallClock(domain));
            }
            assertEquals(
                    new PlatformSettings(SavableGuest.GENERATION, SavableGuest.CLOCK_OFFSET, false),
                    guest.boot().platform());
        }
    }

    @Test
    void guestThatSetsItsClockMovesTheWallClockAndKeepsThatOverRebootAndRestore() throws Exception {
        try (SavableGuest guest = new SavableGuest()) {
            guest.domain().sharedInfo().map(0, SHARED_INFO_GFN);
            cmos(guest.ports(), 0xb, 0x82);
            cmos(guest.ports(), 0x32, 0x19);
            cmos(guest.ports(), 9, 0x69);
            cmos(guest.ports(), 8, 0x12);
            cmos(guest.ports(), 7, 0x31);
            cmos(guest.ports(), 0xb, 0x02);
            Instant shown = clock(guest);
            assertTrue(shown.isBefore(Instant.EPOCH), shown.toString());
            long offset = guest.boot().platform().rtcOffsetSeconds();
            assertNow(offset, shown);
            assertNow(offset, wallClock(guest.domain()));
            SavedGuest saved = SavableGuest.read(guest.save());
            try (SavableGuest restored =
                    new SavableGuest(
                            saved, to -> to.ram().copyFrom(guest.domain().memory().ram()))) {
                assertNow(offset, clock(restored));
                assertNow(offset, wallClock(restored.domain()));
            }
        }
    }

    @Test
    void rebootedGuestHasTheSameGenerationIdAndTheClockThatItHasSet(@TempDir Path folder)
            throws Exception {
        Files.write(folder.resolve("kernel"), TrainingKernel.image());
        GuestRequest request =
                GuestSettings.of(
                                List.of(
                                        "kernel=" + folder.resolve("kernel"),
                                        "memory=8",
                                        "ms_vm_genid=generate",
                                        "overcommit=1"))
                        .request();
        Guest guest = new Guest(request, folder);
        try (FakeHypervisor fake = new FakeHypervisor()) {
            FutureTask<RunOutcome> _ = fake.start(guest);
            Domain first = fake.next();
            PortBus ports = fake.domains().ports(first);
            assertNow(0, clock(ports));
            cmos(ports, 0xb, 0x82);
            cmos(ports, 9, 0x50);
            cmos(ports, 0xb, 0x02);
            long offset = clock(ports).getEpochSecond() - Instant.now().getEpochSecond();

            first.shutdown(ShutdownReason.REBOOT, "");

            Domain second = fake.next();
            assertNow(offset, clock(fake.domains().ports(second)));
            assertEquals(request.platform().generation(), inMemory(second));
            guest.destroy();
        }
    }

    @Test
    void listOfDriversThatAreNotToLoadIsInXenStore() throws Exception {
        try (SavableGuest guest = new SavableGuest()) {
            try (XenStoreClient client = guest.hypervisor.xenstore().client()) {
                client.write("/mh/driver-blacklist/linux/4294967295", "");
            }
            guest.ports().write(0x12, 2, 3);
            guest.ports().write(0x10, 4, 1);
            assertEquals(0x49d2, guest.ports().read(0x10, 2));
            guest.ports().write(0x10, 4, -1);
            assertEquals(0xd249, guest.ports().read(0x10, 2));
            guest.ports().write(0x12, 2, 9);
            guest.ports().write(0x10, 4, -1);
            assertEquals(0x49d2, guest.ports().read(0x10, 2));
        }
    }
}
