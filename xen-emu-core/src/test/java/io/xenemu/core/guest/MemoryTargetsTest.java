package io.xenemu.core.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.domain.EventChannelConfig;
import io.xenemu.core.domain.ShutdownReason;
import io.xenemu.core.hypervisor.Hypervisor;
import io.xenemu.core.hypervisor.MemoryTargets;
import io.xenemu.core.startup.TrainingKernel;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.gnttab.GrantLimits;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.client.XenStoreClient;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The memory that a guest is to have, in XenStore and on its account.
final class MemoryTargetsTest {
    private static final long MIB = 1 << 20;

    /// Pages of a mebibyte, and those of the ACPI tables.
    private static final long PAGES = 256;

    private static final long ACPI = 16;

    @TempDir private Path folder;
    private final FakeHypervisor fake = new FakeHypervisor();
    private final Hypervisor hypervisor = fake.hypervisor;
    private final MemoryTargets targets = hypervisor.memoryTargets();

    @BeforeEach
    void writeKernel() throws IOException {
        Files.write(folder.resolve("kernel"), TrainingKernel.image());
    }

    @AfterEach
    void close() {
        fake.close();
    }

    /// A guest that has 16 MiB of at most 32.
    private Guest guest() {
        DomainConfig config =
                new DomainConfig(
                        "web",
                        new UUID(1, 2),
                        16 * MIB,
                        32 * MIB,
                        1,
                        0x0004_0013,
                        GrantLimits.defaults(),
                        EventChannelConfig.DEFAULT);
        return new Guest(
                new GuestRequest(
                        config,
                        config.vcpus(),
                        folder.resolve("kernel"),
                        List.of(),
                        "",
                        PlatformSettings.DEFAULT,
                        EndActions.DEFAULT,
                        true),
                folder);
    }

    private Domain start(Guest guest) throws Exception {
        FutureTask<RunOutcome> _ = fake.start(guest);
        return fake.next();
    }

    private String node(Domain domain, String name) throws XenError {
        try (XenStoreClient client = hypervisor.xenstore().client()) {
            return client.read("/local/domain/" + domain.id().value() + "/memory/" + name);
        }
    }

    private static String refusal(Refusable change) {
        return assertThrows(Refused.class, change::run).reason();
    }

    private interface Refusable {
        void run() throws Refused;
    }

    @Test
    void guestSeesItsMaximumAndOwnsItsMemory() throws Exception {
        Guest guest = guest();
        Domain domain = start(guest);

        assertEquals("32768", node(domain, "static-max"));
        assertEquals("16384", node(domain, "target"));
        assertEquals(16 * PAGES + ACPI, domain.memory().ownedPages());
        assertEquals(17 * PAGES, domain.memory().maxPages());

        assertEquals(true, domain.pages().decreaseReservation(0x200, 512));
        assertEquals(16 * PAGES + ACPI, domain.memory().ownedPages(), "it gave up what it saw");
        assertEquals(true, domain.pages().decreaseReservation(0x400, 2048));
        assertEquals(true, domain.pages().decreaseReservation(0xc00, 2048));
        assertEquals(14 * PAGES + ACPI, domain.memory().ownedPages());
        guest.destroy();
    }

    @Test
    void targetIsWhatTheGuestMayOwn() throws Exception {
        Guest guest = guest();
        Domain domain = start(guest);

        targets.setTarget(domain, 24 * MIB);
        assertEquals("25165824", Long.toString(targets.target(domain)));
        assertEquals("24576", node(domain, "target"));
        assertEquals(25 * PAGES, domain.memory().maxPages());
        assertEquals(24 * PAGES + ACPI, domain.memory().ownedPages());

        targets.setTarget(domain, 8 * MIB);
        assertEquals(9 * PAGES, domain.memory().maxPages());
        assertEquals(24 * PAGES + ACPI, domain.memory().ownedPages(), "until it gives it up");
        assertEquals(false, domain.pages().increaseReservation(1));
        guest.destroy();
    }

    @Test
    void changesOutsideOfTheLimitsAreRefused() throws Exception {
        Guest guest = guest();
        Domain domain = start(guest);

        assertEquals(
                "web: 33 MiB are more than its maximum of 32 MiB",
                refusal(() -> targets.setTarget(domain, 33 * MIB)));
        assertEquals(
                "web: 33 MiB are more than it can ever have: it was made with a maxmem of 32 MiB",
                refusal(() -> targets.setMax(domain, 33 * MIB)));
        assertEquals(
                "web: 15 MiB are less than the 16 MiB that it is to have; mem-set changes that",
                refusal(() -> targets.setMax(domain, 15 * MIB)));
        targets.setMax(domain, 20 * MIB);
        assertEquals("20480", node(domain, "static-max"));
        assertEquals(21 * PAGES, domain.memory().maxPages());
        assertEquals(
                "web: 21 MiB are more than its maximum of 20 MiB",
                refusal(() -> targets.setTarget(domain, 21 * MIB)));
        guest.destroy();
    }

    @Test
    void targetIsKeptOverAReboot() throws Exception {
        Guest guest = guest();
        Domain domain = start(guest);
        targets.setTarget(domain, 24 * MIB);

        domain.shutdown(ShutdownReason.REBOOT, "");

        Domain second = fake.next();
        assertEquals(24 * PAGES + ACPI, second.memory().ownedPages());
        assertEquals(32 * MIB, second.config().maxMemoryBytes());
        guest.destroy();
    }

    @Test
    void endedDomainGetsNoNodesAgain() throws Exception {
        Guest guest = guest();
        Domain domain = start(guest);
        guest.destroy();
        hypervisor.operated().awaitEnd(domain);

        assertEquals(
                "web is starting or ending", refusal(() -> targets.setTarget(domain, 24 * MIB)));
        assertEquals("web is starting or ending", refusal(() -> targets.setMax(domain, 24 * MIB)));
        assertSame(
                XenError.ENOENT,
                assertThrows(
                        XenError.class, () -> hypervisor.controls().useVcpus(domain.id(), 2, 1)));
        try (XenStoreClient client = hypervisor.xenstore().client()) {
            assertFalse(client.exists("/local/domain/" + domain.id().value()));
        }
    }
}
