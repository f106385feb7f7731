package io.xenemu.core.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.domain.Domain;
import io.xenemu.core.hypervisor.DeviceAttachment;
import io.xenemu.core.hypervisor.DeviceChanges;
import io.xenemu.core.hypervisor.MigrationOptions;
import io.xenemu.core.toolstack.DeviceSpec;
import io.xenemu.core.toolstack.DiskSpec;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.file.HostFile;
import io.xenemu.kvm.testing.Eventually;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Migrations of a guest on a fake VM between two services that do not see each other's disks.
@Timeout(300)
final class CopyStorageTest {
    /// Bytes of a message without a body.
    private static final int MESSAGE = 16;

    private static final int BEFORE_THE_STREAM = 4000;

    private static final int FAULTS = 40;

    private static final MigrationOptions COPIES = MigrationOptions.DEFAULT.withStorage(false);

    /// The guest stands still after one round.
    private static final MigrationOptions TWO_ROUNDS =
            new MigrationOptions(Duration.ofHours(1), 0, Optional.empty(), false, true, false)
                    .withStorage(false);

    private static final MigrationOptions REPLACES = MigrationOptions.DEFAULT.withStorage(true);

    private static final MigrationOptions ASKS =
            new MigrationOptions(Duration.ZERO, 0, Optional.empty(), false, false, true)
                    .withStorage(false);

    @TempDir private Path folder = Path.of("");
    private MigratedGuest guest;

    @BeforeEach
    void start() throws Exception {
        guest = MigratedGuest.ofOwnStorage(folder.resolve("guest"));
    }

    @AfterEach
    void close() {
        guest.close();
    }

    private TestCarrier carrier(TestCarrier.Fault fault) throws Exception {
        return new TestCarrier(Files.createTempDirectory(folder, "carrier"), fault);
    }

    private List<Throwable> migrate(TestCarrier.Fault fault, MigrationOptions options)
            throws Exception {
        try (TestCarrier carrier = carrier(fault)) {
            return guest.migrate(carrier, options);
        }
    }

    private static String reason(Throwable failure) {
        return String.valueOf(failure.getMessage());
    }

    private void assertRefused(String reason, MigrationOptions options) throws Exception {
        try (TestCarrier carrier = carrier(TestCarrier.Fault.NONE)) {
            List<Throwable> failures = guest.migrate(carrier, options);
            assertEquals(reason, reason(failures.getFirst()));
            assertTrue(carrier.toTarget.get() < BEFORE_THE_STREAM);
        }
        assertIsHere();
    }

    /// With its disk; nothing is left of the copy.
    private void assertIsHere() throws Exception {
        guest.assertWhole(guest.domain);
        assertFalse(guest.hasRunAtB());
        assertEquals(GuestState.RUNNING, guest.guestsA.state("web"));
        guest.domain.hold();
        try {
            guest.storage().assertWhole(guest.storage().here());
        } finally {
            guest.domain.release();
        }
    }

    /// With its disk, and without the one that it has had.
    private void assertIsThere(Domain moved) throws Exception {
        Eventually.holds("it has left", () -> guest.disksA.open() == 0);
        FileTime left = Files.getLastModifiedTime(guest.storage().here());
        guest.assertWhole(moved);
        moved.hold();
        try {
            guest.storage().assertWhole(guest.storage().there());
        } finally {
            moved.release();
        }
        assertEquals(List.of("disk"), guest.storage().namesThere());
        assertEquals(left, Files.getLastModifiedTime(guest.storage().here()));
    }

    private void assertMovesNow(MigrationOptions options) throws Exception {
        assertEquals(Arrays.asList(null, null), migrate(TestCarrier.Fault.NONE, options));
        Domain moved = null;
        for (Domain next = guest.b.built(); next != null; next = guest.b.built()) {
            moved = next;
        }
        assertIsThere(Objects.requireNonNull(moved));
    }

    @Test
    void diskGoesWithAllThatTheGuestWrites() throws Exception {
        guest.awaitSteps();
        guest.alwaysWrites();
        assertMovesNow(COPIES);
        Migration.Disks disks = guest.guestsA.migrations().list().getLast().disks();
        assertEquals(Files.size(guest.storage().here()), disks.total());
        assertEquals(disks.total(), disks.looked());
        assertTrue(disks.sent() > 0);
    }

    @Test
    void diskGoesBesidePagesOverSeveralConnections() throws Exception {
        guest.awaitSteps();
        guest.alwaysWrites();
        try (TestCarrier carrier = carrier(TestCarrier.Fault.NONE);
                TestCarrier further = carrier(TestCarrier.Fault.NONE)) {
            assertEquals(
                    Arrays.asList(null, null), guest.migrate(carrier, List.of(further), COPIES));
        }
        assertIsThere(Objects.requireNonNull(guest.b.built()));
    }

    @Test
    void whatIsMadeThereIsTold() throws Exception {
        assertNull(migrate(TestCarrier.Fault.NONE, ASKS).getFirst());
        String line =
                guest.guestsA.migrations().list().getLast().checked().lines().toList().getLast();
        assertTrue(
                line.matches(
                        "vbd: %s is made here: a disk of 1 MiB, of which [01] MiB have data; \\d+ MiB are free"
                                .formatted(guest.storage().there())),
                line);
        assertEquals(List.of(), guest.storage().namesThere());
        assertIsHere();
    }

    @Test
    void fileThatIsThereIsReplacedOnlyIfThatIsAskedFor() throws Exception {
        Path there = Files.writeString(guest.storage().there(), "precious");
        String name = "host b: " + there;
        assertRefused(
                name + " is there already (--replace-storage replaces it by the copy)", COPIES);
        assertRefused(name + " is there already (--replace-storage replaces it by the copy)", ASKS);
        try (HostFile used = HostFile.open(there, Set.of(HostFile.Access.WRITE))) {
            assertEquals(0, used.lock(true));
            assertRefused(name + " is in use here", REPLACES);
        }
        assertEquals("precious", Files.readString(there));
        assertMovesNow(REPLACES);
    }

    @Test
    void folderThatIsNotThereIsNamed() throws Exception {
        Path there = Objects.requireNonNull(guest.storage().there().getParent());
        Files.delete(there);
        assertRefused("host b: " + there + ": no such folder here", COPIES);
        Files.createDirectory(there);
        assertMovesNow(COPIES);
    }

    /// An earlier copy's service was killed: with a part of the disk, or when it was complete.
    @Test
    void whatAnEarlierCopyHasLeftIsRemoved() throws Exception {
        Path there = guest.storage().there();
        Path partial = Files.writeString(there.resolveSibling("disk.incoming"), "a part");
        try (HostFile used = HostFile.open(partial, Set.of(HostFile.Access.WRITE))) {
            assertEquals(0, used.lock(true));
            assertRefused("host b: " + partial + " is in use here", COPIES);
        }
        Files.createLink(there, partial);
        assertMovesNow(COPIES);
    }

    /// A word of the target is lost: the source goes on, and the target cannot know that.
    @Test
    void undecidedCopyKeepsItsDiskUntilItIsDestroyed() throws Exception {
        try (TestCarrier carrier = carrier(TestCarrier.Fault.NONE)) {
            // With `go`: both rounds are stored, and it is ready.
            carrier.cutAfterReady();
            assertNotNull(guest.migrate(carrier, TWO_ROUNDS).getFirst());
        }
        Eventually.holds("it waits", () -> guest.isWaiting());
        assertEquals(List.of("disk", "disk.incoming"), guest.storage().namesThere());
        try (HostFile copy =
                HostFile.open(guest.storage().there(), Set.of(HostFile.Access.WRITE))) {
            assertTrue(copy.isLockedByOther());
        }
        guest.guestsB.migrations().resolve("web", Migration.Resolution.DESTROY);
        Eventually.holds("nothing is left", () -> guest.storage().namesThere().isEmpty());
        if (guest.isUndecidedAtA()) {
            guest.guestsA.migrations().resolve("web", Migration.Resolution.RUN);
        }
        Eventually.holds("it runs", () -> guest.guestsA.state("web") == GuestState.RUNNING);
        assertIsHere();
        Eventually.holds("its name is free", () -> guest.guestsB.named("web") == null);
        assertMovesNow(COPIES);
    }

    @Test
    void cancelledCopyIsRemoved() throws Exception {
        guest.alwaysWrites();
        MigrationOptions endless =
                new MigrationOptions(Duration.ZERO, 100_000, Optional.empty(), false, false, false)
                        .withStorage(false);
        try (TestCarrier carrier = carrier(TestCarrier.Fault.NONE)) {
            FutureTask<List<Throwable>> migration =
                    new FutureTask<>(() -> guest.migrate(carrier, endless));
            Thread.ofPlatform().start(migration);
            Eventually.holds(
                    "it is copied",
                    () -> guest.storage().namesThere().equals(List.of("disk.incoming")));
            guest.guestsA.migrations().cancel("web");
            assertEquals("the migration of web was cancelled", reason(migration.get().getFirst()));
        }
        Eventually.holds("nothing is left", () -> guest.storage().namesThere().isEmpty());
        assertIsHere();
        assertMovesNow(COPIES);
    }

    /// The other host would look neither for the new disk nor at it, and the guest would go on with another one there.
    @Test
    void diskThatIsBeingAttachedKeepsTheGuestFromMoving() throws Exception {
        DeviceSpec second = DiskSpec.parse(List.of(folder.resolve("second") + ",raw,xvdb,rw"));
        DeviceAttachment attachment = guest.a.hypervisor.devices().attachment();
        try (DeviceChanges.Change _ = attachment.attaching("web", second)) {
            assertRefused(
                    "web cannot be migrated now: a device is being attached, detached or resized",
                    COPIES);
        }
        assertMovesNow(COPIES);
    }

    /// Whoever has attached it.
    @Test
    void diskThatTheOtherHostHasNotHeardOfEndsTheMigration() throws Exception {
        Path second = Files.write(folder.resolve("second"), new byte[4096]);
        Path there = guest.storage().there().resolveSibling("second");
        Files.writeString(there, "of somebody else");
        int accept = accept();
        try (TestCarrier carrier = carrier(TestCarrier.Fault.NONE)) {
            // The source waits for the word that the first round is stored.
            carrier.whenPassed(false, accept + 1, () -> attach(second));
            assertEquals(
                    "devices of web have come or gone meanwhile",
                    reason(guest.migrate(carrier, COPIES).getFirst()));
        }
        assertFalse(guest.hasRunAtB());
        assertEquals(GuestState.RUNNING, guest.guestsA.state("web"));
        assertEquals("of somebody else", Files.readString(there));
    }

    /// Bytes of the message that accepts the guest.
    private int accept() throws Exception {
        try (TestCarrier carrier = carrier(TestCarrier.Fault.NONE)) {
            assertNull(guest.migrate(carrier, ASKS).getFirst());
            return Math.toIntExact(carrier.toSource.get());
        }
    }

    private void attach(Path disk) {
        try {
            DeviceSpec spec = DiskSpec.parse(List.of(disk + ",raw,xvdb,rw"));
            DeviceAttachment attachment = guest.a.hypervisor.devices().attachment();
            attachment.devices().awaitBackend(attachment.create("web", spec), spec);
        } catch (Refused | InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void devicesOfAGuestThatMovesDoNotChange() throws Exception {
        DeviceAttachment attachment = guest.a.hypervisor.devices().attachment();
        try (TestCarrier carrier = carrier(TestCarrier.Fault.NONE)) {
            AtomicReference<String> refusal = new AtomicReference<>("");
            carrier.whenPassed(
                    true,
                    BEFORE_THE_STREAM,
                    () ->
                            refusal.set(
                                    assertThrows(
                                                    Refused.class,
                                                    () -> attachment.change(guest.domain).close())
                                            .reason()));
            assertEquals(Arrays.asList(null, null), guest.migrate(carrier, COPIES));
            assertEquals("dom1 is being migrated: its devices cannot change now", refusal.get());
        }
    }

    @Test
    void devicesOfAGuestThatHasNotMovedChangeAgain() throws Exception {
        assertNull(migrate(TestCarrier.Fault.NONE, ASKS).getFirst());
        guest.a.hypervisor.devices().attachment().change(guest.domain).close();
        assertMovesNow(COPIES);
    }

    /// Wherever the connection is lost or damaged: one copy runs, with its disk, and nothing is left of another one.
    @Test
    void anyFaultLeavesOneCopyWithItsDisk() throws Exception {
        guest.close();
        Random random = new Random(20_261_130);
        long sent;
        int answered;
        try (MigratedGuest clean = MigratedGuest.ofOwnStorage(folder.resolve("clean"));
                TestCarrier carrier = carrier(TestCarrier.Fault.NONE)) {
            clean.migrate(carrier, TWO_ROUNDS);
            sent = carrier.toTarget.get();
            answered = Math.toIntExact(carrier.toSource.get());
        }
        for (int i = 0; i < FAULTS; i++) {
            TestCarrier.Fault fault =
                    TestCarrier.Fault.any(random, 3, answered, sent, 2 * MESSAGE + 200);
            guest = MigratedGuest.ofOwnStorage(folder.resolve("guest" + i));
            try {
                faulty(fault, random.nextBoolean());
            } catch (AssertionError e) {
                throw new AssertionError(fault + " of " + sent + " and " + answered, e);
            }
            guest.close();
        }
    }

    private void faulty(TestCarrier.Fault fault, boolean atSource) throws Exception {
        List<Throwable> failures = migrate(fault, TWO_ROUNDS);
        Domain copy = guest.b.built();
        boolean isHere = guest.settle(failures, atSource);
        if (isHere) {
            Eventually.holds("nothing is left", () -> guest.storage().namesThere().isEmpty());
            Eventually.holds("it runs", () -> guest.guestsA.state("web") == GuestState.RUNNING);
            assertIsHere();
        } else {
            Domain moved = Objects.requireNonNull(copy);
            Eventually.holds(
                    "its disk stays", () -> guest.storage().namesThere().equals(List.of("disk")));
            assertIsThere(moved);
        }
        Eventually.holds("no decision is open", () -> guest.records().isEmpty());
    }
}
