package io.xenemu.core.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.hypervisor.MigrationOptions;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.file.HostFile;
import io.xenemu.kvm.testing.Eventually;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.FutureTask;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Guests that share pages and event channels move together: at each moment both run at one side, or none.
@Timeout(300)
final class GroupMigrationTest {
    private static final int MESSAGE = 16;
    private static final int FAULTS = 20;
    private static final MigrationOptions USUAL = MigrationOptions.DEFAULT;

    @TempDir private Path folder = Path.of("");
    private MigratedPair pair;

    @BeforeEach
    void start() throws Exception {
        pair = new MigratedPair(folder.resolve("pair"));
    }

    @AfterEach
    void close() {
        pair.close();
    }

    private TestCarrier carrier(TestCarrier.Fault fault) throws Exception {
        return new TestCarrier(Files.createTempDirectory(folder, "c"), fault);
    }

    private List<Throwable> migrate(TestCarrier.Fault fault, MigrationOptions options)
            throws Exception {
        try (TestCarrier carrier = carrier(fault)) {
            return pair.migrate(carrier, options);
        }
    }

    private static String reason(@Nullable Throwable failure) {
        return String.valueOf(Objects.requireNonNull(failure).getMessage());
    }

    @Test
    void bothMoveWithWhatTheyShare() throws Exception {
        pair.assertRunAt(pair.a);
        assertEquals(Arrays.asList(null, null), migrate(TestCarrier.Fault.NONE, USUAL));
        pair.assertRunAt(pair.b);
        Eventually.holds("they have left", () -> MigratedPair.names(pair.guestsA).isEmpty());
        assertEquals(List.of("db", "web"), MigratedPair.names(pair.guestsB));
        assertEquals(0, pair.records().size());
        Migration.Status out = pair.guestsA.migrations().list().getLast();
        assertEquals(List.of("web", "db"), out.guests());
        assertEquals(MigrationPhase.DONE, out.phase());
        assertNotNull(out.downtime());
    }

    @Test
    void oneAloneIsBlockedByTheOther() throws Exception {
        try (TestCarrier carrier = carrier(TestCarrier.Fault.NONE)) {
            Refused refused =
                    assertThrows(
                            Refused.class,
                            () ->
                                    pair.guestsA.migrate(
                                            List.of(pair.db),
                                            carrier.source(),
                                            "host b",
                                            USUAL,
                                            _ -> {}));
            assertEquals(
                    "db cannot be migrated: grants: it maps pages of dom1\n"
                            + "evtchn: it has an event channel to dom1",
                    refused.reason());
        }
        pair.assertRunAt(pair.a);
    }

    @Test
    void bothSidesAreAskedForBoth() throws Exception {
        MigrationOptions asks =
                new MigrationOptions(Duration.ZERO, 0, Optional.empty(), false, false, true);
        List<Throwable> failures = migrate(TestCarrier.Fault.NONE, asks);
        assertEquals(null, failures.getFirst());
        String checked = pair.guestsA.migrations().list().getLast().checked();
        for (String name : List.of("web", "db")) {
            assertTrue(checked.contains("the name " + name + " and the id"), checked);
        }
        assertFalse(pair.hasRunAtB());
        pair.assertRunAt(pair.a);
    }

    @Test
    void takenNameOfOneKeepsBoth() throws Exception {
        pair.guestsB.create(pair.diskless("db"), true);
        assertEquals(
                "host b: a domain has this name already: db",
                reason(migrate(TestCarrier.Fault.NONE, USUAL).getFirst()));
        assertEquals(List.of("db"), MigratedPair.names(pair.guestsB));
    }

    @Test
    void pagesOfSeveralCannotFollow() throws Exception {
        assertEquals(
                "web and db move together: their pages cannot follow them",
                reason(migrate(TestCarrier.Fault.NONE, USUAL.withPostCopy()).getFirst()));
        pair.assertRunAt(pair.a);
    }

    @Test
    void pagesOfSeveralGoOverOneConnection() throws Exception {
        assertEquals(
                "web and db move together: their pages go over one connection",
                reason(migrate(TestCarrier.Fault.NONE, USUAL.withStreams(2)).getFirst()));
        pair.assertRunAt(pair.a);
    }

    @Test
    void destroyedGuestEndsTheMigrationAndTheOtherGoesOn() throws Exception {
        pair.alwaysWrites();
        MigrationOptions endless =
                new MigrationOptions(Duration.ZERO, 100_000, Optional.empty(), false, false, false);
        try (TestCarrier carrier = carrier(TestCarrier.Fault.NONE)) {
            FutureTask<List<Throwable>> migration =
                    new FutureTask<>(() -> pair.migrate(carrier, endless));
            Thread.ofPlatform().start(migration);
            Eventually.holds("it begins", () -> carrier.toTarget.get() > 0);
            pair.a.hypervisor.operated().destroy(pair.web);
            assertEquals("web has been destroyed", reason(migration.get().getFirst()));
        }
        Eventually.holds("db goes on", () -> pair.guestsA.state("db") == GuestState.RUNNING);
        Eventually.holds("web ends", () -> MigratedPair.names(pair.guestsA).equals(List.of("db")));
        Eventually.holds("none comes", () -> MigratedPair.names(pair.guestsB).isEmpty());
        assertFalse(pair.hasRunAtB());
    }

    /// The word that they run is lost.
    private void decideWithoutAnswer() throws Exception {
        List<Throwable> failures = migrate(TestCarrier.Fault.RUNNING_IS_LOST, USUAL);
        assertTrue(
                reason(failures.getFirst()).startsWith("it is decided that host b runs web and db"),
                reason(failures.getFirst()));
        assertEquals(1, pair.records().size());
    }

    @Test
    void decisionOfBothIsOne() throws Exception {
        decideWithoutAnswer();
        assertEquals(
                List.of(List.of("web", "db")),
                new MigrationRecords(folder.resolve("pair/records-a"))
                        .left().stream().map(Migration::guests).toList());
        MigratedPair.resolve(pair.guestsA, "db", Migration.Resolution.DESTROY);
        Eventually.holds("both leave", () -> MigratedPair.names(pair.guestsA).isEmpty());
        assertEquals(0, pair.records().size());
        pair.assertRunAt(pair.b);
    }

    /// It is destroyed when the decision is known. Until then the other one needs it.
    @Test
    void oneThatIsDestroyedWhileBothWaitEndsAfterTheDecision() throws Exception {
        decideWithoutAnswer();
        pair.a.hypervisor.operated().destroy(pair.db);
        assertTrue(pair.isUndecidedAtA());
        assertEquals(List.of("db", "web"), MigratedPair.names(pair.guestsA));
        pair.a.hypervisor.operated().destroy(pair.web);
        Eventually.holds("both end", () -> MigratedPair.names(pair.guestsA).isEmpty());
        assertEquals(1, pair.records().size());
        MigratedPair.resolve(pair.guestsA, "web", Migration.Resolution.DESTROY);
        assertEquals(0, pair.records().size());
        pair.assertRunAt(pair.b);
    }

    /// The other one goes on without it.
    @Test
    void oneThatIsDestroyedDoesNotComeBack() throws Exception {
        try (TestCarrier carrier = carrier(TestCarrier.Fault.NONE)) {
            carrier.cutAfterReady();
            assertNotNull(pair.migrate(carrier, USUAL).getFirst());
        }
        Eventually.holds("both wait", () -> pair.isWaiting() && pair.isUndecidedAtA());
        pair.a.hypervisor.operated().destroy(pair.db);
        decide(pair.guestsB, false);
        decide(pair.guestsA, true);
        Eventually.holds("web goes on", () -> pair.guestsA.state("web") == GuestState.RUNNING);
        Eventually.holds("db ends", () -> MigratedPair.names(pair.guestsA).equals(List.of("web")));
        assertFalse(pair.hasRunAtB());
        assertEquals(0, pair.records().size());
    }

    /// Otherwise each host would have the disk of one of them, and neither could let both go on.
    @Test
    void oneThatCannotHaveItsDiskKeepsNoDiskOfTheOther() throws Exception {
        Path folderOfPair = folder.resolve("pair");
        Set<HostFile.Access> writes = Set.of(HostFile.Access.WRITE);
        TestCarrier.Fault readyIsLost = TestCarrier.Fault.READY_IS_LOST;
        try (HostFile ofWeb = HostFile.open(folderOfPair.resolve("web.disk"), writes);
                HostFile ofDb = HostFile.open(folderOfPair.resolve("db.disk"), writes)) {
            pair.disksA.beforeNext(
                    () -> Eventually.holds("nobody else has it", () -> ofDb.lock(true) == 0));
            assertTrue(
                    reason(migrate(readyIsLost, USUAL).getFirst())
                            .startsWith("web and db have not moved; they go on here as soon as"));
            assertTrue(pair.isUndecidedAtA());
            Eventually.holds("web's disk is free", () -> ofWeb.lock(true) == 0);
            assertEquals(0, pair.disksA.open());
        }
        Eventually.holds("they go on", () -> pair.guestsA.state("web") == GuestState.RUNNING);
        MigratedPair.resolve(pair.guestsB, "web", Migration.Resolution.DESTROY);
        pair.assertRunAt(pair.a);
    }

    /// A service that ends waits for none of them in vain.
    @Test
    void serviceEndsThoughNobodyHasDecided() throws Exception {
        decideWithoutAnswer();
        pair.guestsA.close();
        assertEquals(List.of(), MigratedPair.names(pair.guestsA));
        assertEquals(1, pair.records().size());
        pair.assertRunAt(pair.b);
    }

    private int accept() throws Exception {
        MigrationOptions asks =
                new MigrationOptions(Duration.ZERO, 0, Optional.empty(), false, false, true);
        try (TestCarrier carrier = carrier(TestCarrier.Fault.NONE)) {
            List<Throwable> _ = pair.migrate(carrier, asks);
            return Math.toIntExact(carrier.toSource.get());
        }
    }

    /// Wherever the connection is lost or damaged, both run at one side, if need be after an operator has decided.
    @Test
    void anyFaultLeavesBothAtOneSide() throws Exception {
        Random random = new Random(20_261_130);
        int accept = accept();
        long sent;
        try (TestCarrier carrier = carrier(TestCarrier.Fault.NONE)) {
            List<Throwable> _ = pair.migrate(carrier, USUAL);
            sent = carrier.toTarget.get();
        }
        for (int i = 0; i < FAULTS; i++) {
            TestCarrier.Fault fault =
                    TestCarrier.Fault.any(random, 4, accept + 2 * MESSAGE, sent, 2 * MESSAGE + 200);
            pair.close();
            pair = new MigratedPair(folder.resolve("pair" + i));
            try {
                faulty(fault, random.nextBoolean());
            } catch (AssertionError e) {
                throw new AssertionError(fault + " of " + sent, e);
            }
        }
    }

    private void faulty(TestCarrier.Fault fault, boolean atSource) throws Exception {
        List<Throwable> failures = migrate(fault, USUAL);
        boolean isHere = pair.guestsA.state("web") == GuestState.RUNNING;
        if (pair.isUndecidedAtA()) {
            isHere = pair.isWaiting() && atSource;
            if (pair.isWaiting()) {
                assertFalse(pair.hasRunAtB());
                decide(pair.guestsB, !isHere);
            }
            decide(pair.guestsA, isHere);
        } else if (isHere) {
            assertNotNull(failures.getFirst());
            if (pair.isWaiting()) {
                decide(pair.guestsB, false);
            }
        }
        HostedGuests other = isHere ? pair.guestsB : pair.guestsA;
        Eventually.holds("no copy is left", () -> MigratedPair.names(other).isEmpty());
        pair.assertRunAt(isHere ? pair.a : pair.b);
        Eventually.holds("no decision is open", () -> pair.records().isEmpty());
    }

    private static void decide(HostedGuests guests, boolean runs) throws Refused {
        MigratedPair.resolve(
                guests, "web", runs ? Migration.Resolution.RUN : Migration.Resolution.DESTROY);
    }
}
