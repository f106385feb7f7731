package io.xenemu.core.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.OwnPart;
import io.xenemu.core.hypervisor.DomainOrder;
import io.xenemu.core.hypervisor.MigrationOptions;
import io.xenemu.core.hypervisor.NamedDomains;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.core.vm.FakeVm;
import io.xenemu.gnttab.GrantStatus;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.file.HostFile;
import io.xenemu.kvm.testing.Eventually;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Migrations of a guest on a fake VM between two services.
@Timeout(300)
final class MigrationTest {
    /// Bytes of a message without a body.
    private static final int MESSAGE = 16;

    /// A byte of the stream, before the memory.
    private static final int IN_FRONT = 1500;

    /// More than the bytes that the source sends before the stream.
    private static final int BEFORE_THE_STREAM = 4000;

    private static final int FAULTS = 40;

    private static final MigrationOptions ENDLESS =
            new MigrationOptions(Duration.ZERO, 100_000, Optional.empty(), false, false, false);

    private static final MigrationOptions ASKS =
            new MigrationOptions(Duration.ZERO, 0, Optional.empty(), false, false, true);

    @TempDir private Path folder = Path.of("");
    private MigratedGuest guest;

    @BeforeEach
    void start() throws Exception {
        guest = new MigratedGuest(folder.resolve("guest"));
    }

    @AfterEach
    void close() {
        guest.close();
    }

    @Test
    void guestGoesOnElsewhereWithAllThatItHasWritten() throws Exception {
        guest.awaitSteps();
        try (TestCarrier carrier = new TestCarrier(folder, TestCarrier.Fault.NONE)) {
            assertEquals(
                    Arrays.asList(null, null), guest.migrate(carrier, MigrationOptions.DEFAULT));
        }
        Domain moved = guest.b.next();
        assertEquals(guest.domain.id(), moved.id());
        assertEquals("web", moved.config().name());
        guest.assertWhole(moved);
        Eventually.holds("it has left", () -> guest.guestsA.named("web") == null);
        assertNotNull(guest.guestsB.named("web"));
        assertEquals(List.of(), guest.records());
        Migration.Status out = guest.guestsA.migrations().list().getLast();
        assertEquals(MigrationPhase.DONE, out.phase());
        assertTrue(out.rounds().number() >= 1);
        assertNotNull(out.downtime());
        assertEquals(MigrationPhase.DONE, guest.guestsB.migrations().list().getLast().phase());
    }

    /// A copy of another domain's moves with the guest, or its domain is told that it was not done.
    @Test
    void copiesOfAnotherGuestMoveOrAreRefused() throws Exception {
        try (CopyingNeighbour neighbour = new CopyingNeighbour(guest.neighbour(), guest.domain)) {
            neighbour.start();
            neighbour.await(GrantStatus.OKAY);
            assertEquals(
                    Arrays.asList(null, null),
                    migrate(TestCarrier.Fault.NONE, MigrationOptions.DEFAULT));
            neighbour.await(GrantStatus.BAD_DOMAIN);
            Domain moved = guest.b.next();
            guest.assertWhole(moved);
            neighbour.stopAndCompare(moved);
        }
    }

    @Test
    void guestMovesBackToo() throws Exception {
        assertMovesNow();
        Eventually.holds("it has left", () -> guest.guestsA.named("web") == null);
        Domain there = new NamedDomains(guest.b.hypervisor.operated()).named("web");
        try (TestCarrier carrier = carrier(TestCarrier.Fault.NONE)) {
            assertEquals(
                    Arrays.asList(null, null),
                    guest.moveBack(there, carrier, MigrationOptions.DEFAULT));
        }
        Domain again = guest.a.next();
        assertEquals(guest.domain.config(), again.config());
        guest.assertWhole(again);
    }

    @Test
    void reasonOfATargetThatCannotUseTheStreamIsTold() throws Exception {
        List<Throwable> failures =
                migrate(new TestCarrier.Fault(true, IN_FRONT, false), MigrationOptions.DEFAULT);
        assertTrue(
                reason(failures.getFirst()).startsWith("host b: migration: "),
                reason(failures.getFirst()));
        assertStillHere();
    }

    /// Bytes of the message that accepts the guest.
    private int accept() throws Exception {
        try (TestCarrier carrier = carrier(TestCarrier.Fault.NONE)) {
            assertNull(guest.migrate(carrier, ASKS).getFirst());
            return Math.toIntExact(carrier.toSource.get());
        }
    }

    private static String reason(Throwable failure) {
        return String.valueOf(failure.getMessage());
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

    private void assertStillHere() throws Exception {
        guest.assertWhole(guest.domain);
        assertFalse(guest.hasRunAtB());
        assertEquals(List.of(), guest.records());
        assertEquals(GuestState.RUNNING, guest.guestsA.state("web"));
    }

    private void assertMovesNow() throws Exception {
        Eventually.holds("no copy is left there", () -> guest.guestsB.named("web") == null);
        assertEquals(
                Arrays.asList(null, null),
                migrate(TestCarrier.Fault.NONE, MigrationOptions.DEFAULT));
        Domain moved = null;
        for (Domain next = guest.b.built(); next != null; next = guest.b.built()) {
            moved = next;
        }
        assertEquals(guest.domain.config(), Objects.requireNonNull(moved).config());
        guest.assertWhole(moved);
    }

    @Test
    void takenNameIsRefusedBeforeAnythingIsSent() throws Exception {
        guest.guestsB.create(guest.diskless(), true);
        try (TestCarrier carrier = carrier(TestCarrier.Fault.NONE)) {
            List<Throwable> failures = guest.migrate(carrier, MigrationOptions.DEFAULT);
            assertEquals(
                    "host b: a domain has this name already: web", reason(failures.getFirst()));
            assertTrue(carrier.toTarget.get() < BEFORE_THE_STREAM);
        }
        guest.assertWhole(guest.domain);
        assertEquals(GuestState.RUNNING, guest.guestsA.state("web"));
    }

    @Test
    void lesserProcessorIsRefusedBeforeAnythingIsSent() throws Exception {
        guest.b.domains().loseFeature();
        try (TestCarrier carrier = carrier(TestCarrier.Fault.NONE)) {
            List<Throwable> failures = guest.migrate(carrier, MigrationOptions.DEFAULT);
            assertEquals(
                    "host b: web: a guest of this host cannot have avx512f",
                    reason(failures.getFirst()));
            assertTrue(carrier.toTarget.get() < BEFORE_THE_STREAM);
        }
        assertStillHere();
    }

    @Test
    void bothSidesCanOnlyBeAsked() throws Exception {
        try (TestCarrier carrier = carrier(TestCarrier.Fault.NONE)) {
            List<Throwable> failures = guest.migrate(carrier, ASKS);
            assertNull(failures.getFirst());
            assertEquals("the source has only asked", reason(failures.getLast()));
            assertTrue(carrier.toTarget.get() < BEFORE_THE_STREAM);
        }
        assertStillHere();
        guest.guestsB.create(guest.diskless(), true);
        assertEquals(
                "host b: a domain has this name already: web",
                reason(migrate(TestCarrier.Fault.NONE, ASKS).getFirst()));
        assertStillHere();
    }

    @Test
    void whatBothSidesHaveLookedAtIsTold() throws Exception {
        assertNull(migrate(TestCarrier.Fault.NONE, ASKS).getFirst());
        assertEquals(
                """
                %1$s/kernel: can be read, and go with the guest
                the name web and the id 1 are free, and the processor has what the guest uses
                the time stamp counter can run at 2000000 kHz
                %2$d MiB of memory are there
                vbd: %1$s/disk is here, and the other host's lock is seen\
                """
                        .formatted(
                                folder.resolve("guest"),
                                guest.domain.config().maxMemoryBytes() >> 20),
                guest.guestsA.migrations().list().getLast().checked());
    }

    /// The host has a file of the same name on a disk of its own.
    @Test
    void anotherDiskAtTheTargetIsRefusedBeforeAnythingIsSent() throws Exception {
        Path other = Files.copy(guest.disk(), folder.resolve("other"));
        guest.disksB.finds(other);
        try (TestCarrier carrier = carrier(TestCarrier.Fault.NONE)) {
            List<Throwable> failures = guest.migrate(carrier, MigrationOptions.DEFAULT);
            assertEquals(
                    "host b: "
                            + other
                            + ": the other host's lock is not seen here: it is another file, or its file system"
                            + " does not share locks (--trust-storage moves the guest all the same)",
                    reason(failures.getFirst()));
            assertTrue(carrier.toTarget.get() < BEFORE_THE_STREAM);
        }
        assertStillHere();
        MigrationOptions trusts = MigrationOptions.DEFAULT.withTrust();
        assertEquals(Arrays.asList(null, null), migrate(TestCarrier.Fault.NONE, trusts));
        guest.assertWhole(guest.b.next());
    }

    /// The guest writes faster than the connection takes it, so it would never stand still.
    @Test
    void vmThatCannotBeMadeIsRefusedWhileTheGuestRuns() throws Exception {
        guest.b.domains().refuseVms();
        guest.alwaysWrites();
        List<Throwable> failures = migrate(TestCarrier.Fault.NONE, ENDLESS);
        assertEquals("host b: web: the host has no room for a VM", reason(failures.getFirst()));
        assertEquals(0, guest.b.domains().prepared());
        assertStillHere();
    }

    @Test
    void nothingIsLeftOfWhatWasMadeForTheGuestBeforehand() throws Exception {
        guest.b.domains().failNext();
        assertNotNull(migrate(TestCarrier.Fault.NONE, MigrationOptions.DEFAULT).getFirst());
        Eventually.holds("all is closed", () -> guest.b.domains().prepared() == 0);
        assertMovesNow();
        Eventually.holds("all is closed", () -> guest.b.domains().prepared() == 0);
    }

    @Test
    void fasterCounterIsRefusedBeforeAnythingIsSent() throws Exception {
        guest.b.domains().countFaster();
        try (TestCarrier carrier = carrier(TestCarrier.Fault.NONE)) {
            assertEquals(
                    "host b: this host's counter is not as slow as 2000000 kHz",
                    reason(guest.migrate(carrier, MigrationOptions.DEFAULT).getFirst()));
            assertTrue(carrier.toTarget.get() < BEFORE_THE_STREAM);
        }
        assertStillHere();
    }

    @Test
    void kernelThatCannotBeReadIsNamedBeforeAnythingIsSent() throws Exception {
        Path kernel = folder.resolve("guest/kernel");
        Files.delete(kernel);
        assertEquals(
                kernel + " cannot be read",
                reason(migrate(TestCarrier.Fault.NONE, ASKS).getFirst()));
        assertStillHere();
    }

    @Test
    void blockerIsNamedByTheSource() throws Exception {
        guest.domain.add(OwnPart.unsaved("clay", "it is wet"));
        List<Throwable> failures = migrate(TestCarrier.Fault.NONE, MigrationOptions.DEFAULT);
        assertEquals("web cannot be migrated: clay: it is wet", reason(failures.getFirst()));
        assertStillHere();
    }

    @Test
    void hostThatCannotLogWritesIsNamed() throws Exception {
        FakeVm vm = guest.a.domains().vm(guest.domain);
        vm.refuse("logWrites", Errno.ENOMEM);
        List<Throwable> failures = migrate(TestCarrier.Fault.NONE, MigrationOptions.DEFAULT);
        assertTrue(
                reason(failures.getFirst()).startsWith("KVM_SET_USER_MEMORY_REGION"),
                reason(failures.getFirst()));
        assertEquals(MigrationPhase.FAILED, guest.guestsA.migrations().list().getFirst().phase());
        assertStillHere();
    }

    @Test
    void guestThatWritesTooFastGoesOnWhenTheTimeIsOver() throws Exception {
        guest.alwaysWrites();
        MigrationOptions hopeless =
                new MigrationOptions(
                        Duration.ZERO, 1 << 20, Optional.of(Duration.ZERO), false, true, false);
        List<Throwable> failures = migrate(TestCarrier.Fault.NONE, hopeless);
        assertTrue(
                reason(failures.getFirst()).startsWith("it writes its memory faster"),
                reason(failures.getFirst()));
        assertStillHere();
        assertMovesNow();
    }

    @Test
    void guestThatWritesTooFastIsForcedWhenTheTimeIsOver() throws Exception {
        guest.alwaysWrites();
        MigrationOptions forced =
                new MigrationOptions(
                        Duration.ZERO, 1 << 20, Optional.of(Duration.ZERO), true, true, false);
        assertEquals(Arrays.asList(null, null), migrate(TestCarrier.Fault.NONE, forced));
        assertTrue(
                guest.guestsA.migrations().list().getLast().rounds().written() > 0,
                "it had written when it was stopped");
        guest.assertWhole(guest.b.next());
    }

    /// Begins a migration that does not end by itself.
    private FutureTask<List<Throwable>> migrateForEver(TestCarrier carrier) {
        guest.alwaysWrites();
        FutureTask<List<Throwable>> migration =
                new FutureTask<>(() -> guest.migrate(carrier, ENDLESS));
        Thread.ofPlatform().start(migration);
        return migration;
    }

    @Test
    void changesOfAMigratingGuestAreRefusedAndCancelEndsIt() throws Exception {
        try (TestCarrier carrier = carrier(TestCarrier.Fault.NONE)) {
            FutureTask<List<Throwable>> migration = migrateForEver(carrier);
            Eventually.holds(
                    "it migrates", () -> guest.guestsA.state("web") == GuestState.MIGRATING);
            for (DomainOrder.Plain order :
                    List.of(
                            DomainOrder.Plain.PAUSE,
                            DomainOrder.Plain.REBOOT,
                            DomainOrder.Plain.SUSPEND,
                            DomainOrder.Plain.POWER_OFF)) {
                assertEquals(
                        "web is being migrated",
                        assertThrows(
                                        Refused.class,
                                        () ->
                                                guest.a
                                                        .hypervisor
                                                        .operated()
                                                        .order(guest.domain, order))
                                .reason());
            }
            guest.guestsA.migrations().cancel("web");
            assertEquals("the migration of web was cancelled", reason(migration.get().getFirst()));
        }
        assertStillHere();
        assertMovesNow();
    }

    @Test
    void destroyedGuestEndsItsMigration() throws Exception {
        try (TestCarrier carrier = carrier(TestCarrier.Fault.NONE)) {
            FutureTask<List<Throwable>> migration = migrateForEver(carrier);
            Eventually.holds(
                    "it migrates", () -> guest.guestsA.state("web") == GuestState.MIGRATING);
            guest.a.hypervisor.operated().destroy(guest.domain);
            assertEquals("web has been destroyed", reason(migration.get().getFirst()));
        }
        assertFalse(guest.hasRunAtB());
    }

    @Test
    void decisionThatCannotBeWrittenIsNone() throws Exception {
        Files.writeString(folder.resolve("guest/records-a"), "no folder");
        List<Throwable> failures = migrate(TestCarrier.Fault.NONE, MigrationOptions.DEFAULT);
        assertTrue(
                reason(failures.getFirst()).startsWith("the decision cannot be written"),
                reason(failures.getFirst()));
        Files.delete(folder.resolve("guest/records-a"));
        assertStillHere();
        assertMovesNow();
    }

    @Test
    void bugBeforeTheDecisionEndsTheMigrationAndTheGuestGoesOn() throws Exception {
        AtomicBoolean fails = new AtomicBoolean(true);
        guest.a
                .domains()
                .vm(guest.domain)
                .whenForgotten(() -> {
                    if (fails.getAndSet(false)) {
                        throw new IllegalStateException("a bug");
                    }
                });
        assertEquals(
                "a bug",
                reason(migrate(TestCarrier.Fault.NONE, MigrationOptions.DEFAULT).getFirst()));
        Migration.Status failed = guest.guestsA.migrations().list().getLast();
        assertEquals(MigrationPhase.FAILED, failed.phase());
        assertEquals(
                "a bug of the service: java.lang.IllegalStateException: a bug", failed.reason());
        assertStillHere();
        assertMovesNow();
    }

    /// The destination runs the guest.
    @Test
    void bugAfterTheDecisionDoesNotLetTheGuestGoOn() throws Exception {
        guest.a.meters.failNext("xen.migration.downtime");
        assertTrue(
                reason(migrate(TestCarrier.Fault.NONE, MigrationOptions.DEFAULT).getFirst())
                        .startsWith("it is decided that host b runs web, but not known"));
        guest.assertWhole(guest.b.next());
        assertTrue(guest.isUndecidedAtA());
        assertEquals(1, guest.records().size());
        guest.guestsA.migrations().resolve("web", Migration.Resolution.DESTROY);
        guest.a.hypervisor.operated().awaitEnd(guest.domain);
        assertEquals(List.of(), guest.records());
    }

    @Test
    void bugOfTheTargetEndsTheMigration() throws Exception {
        guest.b.domains().failNext();
        assertNotNull(migrate(TestCarrier.Fault.NONE, MigrationOptions.DEFAULT).getFirst());
        assertEquals(MigrationPhase.FAILED, guest.guestsB.migrations().list().getLast().phase());
        assertStillHere();
        assertMovesNow();
    }

    /// The word of a ready destination is lost: the source goes on, and the destination cannot know that.
    @Test
    void undecidedCopyHasANameThatShowsIt() throws Exception {
        List<Throwable> failures =
                migrate(TestCarrier.Fault.READY_IS_LOST, MigrationOptions.DEFAULT);
        assertNotNull(failures.getFirst());
        Domain copy = guest.b.next();
        Eventually.holds(
                "it is undecided",
                () ->
                        guest.guestsB.migrations().list().getLast().phase()
                                == MigrationPhase.UNDECIDED);
        assertEquals("web--incoming", copy.config().name());
        assertStillHere();

        guest.guestsB.migrations().resolve("web--incoming", Migration.Resolution.DESTROY);
        guest.b.hypervisor.operated().awaitEnd(copy);
        Eventually.holds("its name is free", () -> guest.guestsB.named("web") == null);
        assertFalse(guest.hasRunAtB());
        assertMovesNow();
    }

    /// The word that it runs is lost: nobody runs it at the source by himself.
    @Test
    void decidedSourceWaitsForAnOperator() throws Exception {
        List<Throwable> failures =
                migrate(TestCarrier.Fault.RUNNING_IS_LOST, MigrationOptions.DEFAULT);
        assertTrue(
                reason(failures.getFirst()).startsWith("it is decided that host b runs web"),
                reason(failures.getFirst()));
        Domain moved = guest.b.next();
        guest.assertWhole(moved);
        assertEquals(GuestState.MIGRATING, guest.guestsA.state("web"));
        Migration.Status waiting = guest.guestsA.migrations().list().getLast();
        assertEquals(MigrationPhase.UNDECIDED, waiting.phase());
        assertEquals(List.of(waiting.id().toString()), guest.records());
        assertEquals(
                List.of(waiting.id()),
                new MigrationRecords(folder.resolve("guest/records-a"))
                        .left().stream().map(Migration::id).toList(),
                "a service that starts after this one's end knows it");

        guest.guestsA.migrations().resolve("web", Migration.Resolution.DESTROY);
        guest.a.hypervisor.operated().awaitEnd(guest.domain);
        assertEquals(List.of(), guest.records());
        guest.assertWhole(moved);
        assertEquals(
                "no migration of web waits for a decision",
                assertThrows(
                                Refused.class,
                                () ->
                                        guest.guestsA
                                                .migrations()
                                                .resolve("web", Migration.Resolution.RUN))
                        .reason());
    }

    /// Its disk is at the other host, which may write to it.
    @Test
    void decidedSourceDoesNotRunWithoutItsDisk() throws Exception {
        List<Throwable> failures =
                migrate(TestCarrier.Fault.RUNNING_IS_LOST, MigrationOptions.DEFAULT);
        assertNotNull(failures.getFirst());
        assertEquals(
                "vbd 51712: " + guest.disk() + " is in use: another has it open", runAtSource());
        assertTrue(guest.isUndecidedAtA());

        Domain moved = guest.b.next();
        guest.assertWhole(moved);
        try (HostFile disk = HostFile.open(guest.disk(), Set.of(HostFile.Access.WRITE))) {
            Files.write(guest.disk(), new byte[] {1}, StandardOpenOption.WRITE);
            assertEquals(-Errno.EAGAIN, disk.lock(true));
            guest.b.hypervisor.operated().destroy(moved);
            guest.b.hypervisor.operated().awaitEnd(moved);
            assertEquals(
                    "vbd 51712: " + guest.disk() + " was written since it was given up here",
                    runAtSource());
        }
        guest.guestsA.migrations().resolve("web", Migration.Resolution.DESTROY);
        guest.a.hypervisor.operated().awaitEnd(guest.domain);
    }

    private String runAtSource() {
        return assertThrows(
                        Refused.class,
                        () -> guest.guestsA.migrations().resolve("web", Migration.Resolution.RUN))
                .reason();
    }

    /// Both are told to run, against all advice: the disk's lock lets one of them.
    @Test
    void onlyOneOfTwoCopiesGetsTheDisk() throws Exception {
        try (TestCarrier carrier = carrier(TestCarrier.Fault.NONE)) {
            carrier.cutAfterReady();
            assertNotNull(guest.migrate(carrier, MigrationOptions.DEFAULT).getFirst());
        }
        Eventually.holds("both wait", () -> guest.isWaiting() && guest.isUndecidedAtA());
        assertEquals(0, guest.disksA.open() + guest.disksB.open());
        guest.guestsB.migrations().resolve("web", Migration.Resolution.RUN);
        assertEquals(
                "vbd 51712: " + guest.disk() + " is in use: another has it open", runAtSource());
        guest.assertWhole(guest.b.next());
        guest.guestsA.migrations().resolve("web", Migration.Resolution.DESTROY);
        guest.a.hypervisor.operated().awaitEnd(guest.domain);
    }

    /// The target's copy, which is ready and knows nothing, has the lock: the source waits until it has given it up.
    @Test
    void sourceGoesOnWhenTheTargetHasGivenUpItsDisk() throws Exception {
        try (HostFile other = HostFile.open(guest.disk(), Set.of(HostFile.Access.WRITE))) {
            TestCarrier.Fault readyIsLost = TestCarrier.Fault.READY_IS_LOST;
            guest.disksA.beforeNext(() -> take(other));
            List<Throwable> failures = migrate(readyIsLost, MigrationOptions.DEFAULT);
            assertTrue(
                    reason(failures.getFirst())
                            .startsWith(
                                    "web has not moved; it goes on here as soon as it has its disks again: vbd 51712: "),
                    reason(failures.getFirst()));
            assertEquals(0, guest.disksA.open());
            assertTrue(guest.isUndecidedAtA());
            assertThrows(
                    Refused.class,
                    () -> guest.guestsA.migrations().resolve("web", Migration.Resolution.RUN));
        }
        Eventually.holds("it goes on", () -> guest.guestsA.state("web") == GuestState.RUNNING);
        assertStillHere();
        guest.guestsB.migrations().resolve("web", Migration.Resolution.DESTROY);
        Eventually.holds("its name is free", () -> guest.guestsB.named("web") == null);
        assertMovesNow();
    }

    private static void take(HostFile disk) {
        Eventually.holds("nobody else has it", () -> disk.lock(true) == 0);
    }

    @Test
    void guestThatWaitsForItsDiskCanBeDestroyed() throws Exception {
        try (HostFile other = HostFile.open(guest.disk(), Set.of(HostFile.Access.WRITE))) {
            guest.disksA.beforeNext(() -> take(other));
            List<Throwable> failures =
                    migrate(TestCarrier.Fault.READY_IS_LOST, MigrationOptions.DEFAULT);
            assertNotNull(failures.getFirst());
            guest.a.hypervisor.operated().destroy(guest.domain);
            guest.a.hypervisor.operated().awaitEnd(guest.domain);
            assertEquals(
                    MigrationPhase.FAILED, guest.guestsA.migrations().list().getLast().phase());
        }
        guest.guestsB.migrations().resolve("web", Migration.Resolution.RUN);
        guest.assertWhole(guest.b.next());
    }

    /// A decision outlives the guest's end here, and the service's.
    @Test
    void recordOfADecisionStaysIfTheSourceEnds() throws Exception {
        List<Throwable> failures =
                migrate(TestCarrier.Fault.RUNNING_IS_LOST, MigrationOptions.DEFAULT);
        assertNotNull(failures.getFirst());
        guest.a.hypervisor.operated().destroy(guest.domain);
        guest.a.hypervisor.operated().awaitEnd(guest.domain);
        assertEquals(1, guest.records().size());

        assertEquals(
                "web is not in this service any more: its memory is lost",
                assertThrows(
                                Refused.class,
                                () ->
                                        guest.guestsA
                                                .migrations()
                                                .resolve("web", Migration.Resolution.RUN))
                        .reason());
        guest.guestsA.migrations().resolve("web", Migration.Resolution.DESTROY);
        assertEquals(List.of(), guest.records());
        guest.assertWhole(guest.b.next());
    }

    @Test
    void guestThatComesIsCancelledByTheTargetToo() throws Exception {
        try (TestCarrier carrier = carrier(TestCarrier.Fault.NONE)) {
            FutureTask<List<Throwable>> migration = migrateForEver(carrier);
            Eventually.holds(
                    "it can be cancelled",
                    () -> {
                        try {
                            guest.guestsB.migrations().cancel("web");
                            return true;
                        } catch (Refused e) {
                            return false;
                        }
                    });
            assertNotNull(migration.get().getFirst());
        }
        assertStillHere();
        assertMovesNow();
    }

    /// Wherever the connection is lost or damaged: one copy runs, or an operator is asked and then one runs.
    @Test
    void anyFaultLeavesOneCopy() throws Exception {
        guest.close();
        Random random = new Random(20_260_731);
        long sent = 0;
        int accept;
        try (MigratedGuest clean = new MigratedGuest(folder.resolve("clean"));
                TestCarrier carrier = carrier(TestCarrier.Fault.NONE)) {
            guest = clean;
            accept = accept();
            clean.migrate(carrier, MigrationOptions.DEFAULT);
            sent = carrier.toTarget.get();
        }
        for (int i = 0; i < FAULTS; i++) {
            TestCarrier.Fault fault =
                    TestCarrier.Fault.any(random, 4, accept + 2 * MESSAGE, sent, 2 * MESSAGE + 200);
            guest = new MigratedGuest(folder.resolve("guest" + i));
            try {
                faulty(fault, random.nextBoolean());
            } catch (AssertionError e) {
                throw new AssertionError(fault + " of " + sent, e);
            }
            guest.close();
        }
    }

    private void faulty(TestCarrier.Fault fault, boolean atSource) throws Exception {
        List<Throwable> failures = migrate(fault, MigrationOptions.DEFAULT);
        Domain copy = guest.b.built();
        boolean isHere = guest.settle(failures, atSource);
        if (isHere) {
            guest.assertWhole(guest.domain);
            assertFalse(guest.hasRunAtB());
        } else {
            guest.assertWhole(Objects.requireNonNull(copy));
        }
        Eventually.holds("no decision is open", () -> guest.records().isEmpty());
    }
}
