package io.xenemu.core.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.domain.Domain;
import io.xenemu.core.hypervisor.MigrationOptions;
import io.xenemu.core.hypervisor.SavePlace;
import io.xenemu.core.paging.LatePagesNeeds;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.testing.Eventually;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Migrations of a guest on a fake VM that runs at its destination before its pages are there, which a real page server
/// brings.
@Timeout(300)
final class PostCopyTest {
    private static final MigrationOptions POST_COPY = MigrationOptions.DEFAULT.withPostCopy();

    /// Bytes of the beginning of a connection in which pages follow: it is lost before all of them have.
    private static final int FEW = 60;

    /// Connections on which the word that the guest runs may be lost.
    private static final int TRIES = 20;

    private static final int FAULTS = 4;

    @TempDir private Path folder = Path.of("");
    private MigratedGuest guest;

    @BeforeEach
    void start() throws Exception {
        LatePagesNeeds.rightToUseUserfaultfd();
        guest = new MigratedGuest(folder.resolve("guest"));
        guest.awaitSteps();
    }

    @AfterEach
    void close() {
        if (guest != null) {
            guest.close();
        }
    }

    private TestCarrier carrier(TestCarrier.Fault fault) throws Exception {
        return new TestCarrier(Files.createTempDirectory(folder, "carrier"), fault);
    }

    private List<Throwable> migrate(TestCarrier.Fault fault) throws Exception {
        try (TestCarrier carrier = carrier(fault)) {
            return guest.migrate(carrier, POST_COPY);
        }
    }

    private List<Throwable> recover(TestCarrier.Fault fault) throws Exception {
        try (TestCarrier carrier = carrier(fault)) {
            return guest.recover(carrier);
        }
    }

    private static Migration.Status last(HostedGuests of) {
        return of.migrations().list().getLast();
    }

    private static String reason(Throwable failure) {
        return String.valueOf(failure.getMessage());
    }

    private void assertHasLeft() throws Exception {
        Eventually.holds("it has left", () -> guest.guestsA.named("web") == null);
        assertEquals(List.of(), guest.records());
        assertEquals(MigrationPhase.DONE, last(guest.guestsA).phase());
        Eventually.holds(
                "the target knows", () -> last(guest.guestsB).phase() == MigrationPhase.DONE);
    }

    @Test
    void guestRunsElsewhereAndItsPagesFollow() throws Exception {
        assertEquals(Arrays.asList(null, null), migrate(TestCarrier.Fault.NONE));
        Domain moved = guest.b.next();
        assertEquals("web", moved.config().name());
        guest.assertWhole(moved);
        assertHasLeft();
        Migration.Status out = last(guest.guestsA);
        assertEquals(1, out.rounds().number());
        assertNotNull(out.downtime());
        assertEquals(0, out.missing());
    }

    /// The domain looks at the page when it is made, before the source has decided.
    @Test
    void pageThatIsNeededBeforeTheDecisionIsAskedFor() throws Exception {
        guest.registersTimeArea();
        assertEquals(Arrays.asList(null, null), migrate(TestCarrier.Fault.NONE));
        guest.assertWhole(guest.b.next());
        assertHasLeft();
    }

    @Test
    void guestStaysIfAPageDoesNotComeThatIsNeededBeforeTheDecision() throws Exception {
        guest.registersTimeArea();
        // A part of the request for the page.
        List<Throwable> failures =
                migrate(new TestCarrier.Fault(false, untilAccepted() + 10, true));
        assertNotNull(failures.getFirst());
        assertNotNull(failures.getLast());
        assertEquals(GuestState.RUNNING, guest.guestsA.state("web"));
        guest.assertWhole(guest.domain);
        assertFalse(guest.hasRunAtB());
        assertEquals(List.of(), guest.records());
        assertEquals(Arrays.asList(null, null), migrate(TestCarrier.Fault.NONE));
        guest.assertWhole(guest.b.next());
        assertHasLeft();
    }

    /// Everything up to the decision, and the first bytes of the pages.
    private long untilPages() throws Exception {
        try (MigratedGuest clean = new MigratedGuest(folder.resolve("clean"));
                TestCarrier carrier = carrier(TestCarrier.Fault.NONE)) {
            clean.awaitSteps();
            clean.migrate(carrier, POST_COPY);
            return carrier.toTarget.get();
        }
    }

    @Test
    void lostConnectionPausesTheGuestAndItsPagesGoOnToFollowMoreThanOnce() throws Exception {
        // The answer to the beginning of the pages is lost, at the latest.
        List<Throwable> failures = migrateUntilPaused();
        assertTrue(
                reason(failures.getFirst()).startsWith("web is decided to run at host b, but"),
                reason(failures.getFirst()));
        assertEquals(MigrationPhase.PAUSED, last(guest.guestsA).phase());
        assertEquals(1, guest.records().size());
        for (int i = 0; i < 3; i++) {
            List<Throwable> again = recover(new TestCarrier.Fault(true, FEW, true));
            assertNotNull(again.getFirst());
            assertEquals(MigrationPhase.PAUSED, last(guest.guestsA).phase());
            Eventually.holds(
                    "the target notices",
                    () -> last(guest.guestsB).phase() == MigrationPhase.PAUSED);
        }
        assertEquals(Arrays.asList(null, null), recover(TestCarrier.Fault.NONE));
        guest.assertWhole(guest.b.next());
        assertHasLeft();
        assertEquals(
                "no migration of web from here is paused",
                assertThrows(
                                Refused.class,
                                () ->
                                        guest.guestsA.recover(
                                                "web",
                                                new SavePlace(
                                                        folder.resolve("none"),
                                                        SavePlace.Kind.SOCKET),
                                                "b",
                                                _ -> {}))
                        .reason());
    }

    /// The connection is lost in what the destination sends after it is ready: where it begins with the pages.
    private List<Throwable> migrateUntilPaused() throws Exception {
        // The word that it is ready, and a part of what follows.
        return migrate(TestCarrier.Fault.afterReady(30));
    }

    /// What the destination sends until it has accepted the guest.
    private long untilAccepted() throws Exception {
        try (MigratedGuest clean = new MigratedGuest(folder.resolve("asks"));
                TestCarrier carrier = carrier(TestCarrier.Fault.NONE)) {
            clean.migrate(
                    carrier,
                    new MigrationOptions(
                            POST_COPY.downtimeLimit(), 0, POST_COPY.timeout(), false, false, true));
            return carrier.toSource.get();
        }
    }

    @Test
    void sourceThatIsPausedDoesNotRunAGuestThatHasRunElsewhere() throws Exception {
        List<Throwable> failures = migrateUntilPaused();
        assertNotNull(failures.getFirst());
        assertEquals(GuestState.MIGRATING, guest.guestsA.state("web"));
        for (int i = 0; i < TRIES && last(guest.guestsA).downtime() == null; i++) {
            assertNotNull(recover(new TestCarrier.Fault(true, FEW, true)).getFirst());
        }
        assertNotNull(last(guest.guestsA).downtime(), "it has heard that the guest runs");
        assertTrue(
                assertThrows(
                                Refused.class,
                                () ->
                                        guest.guestsA
                                                .migrations()
                                                .resolve("web", Migration.Resolution.RUN))
                        .reason()
                        .startsWith("web has run at host b"));
        assertEquals(Arrays.asList(null, null), recover(TestCarrier.Fault.NONE));
        guest.assertWhole(guest.b.next());
        assertHasLeft();
    }

    /// Wherever the connection is lost or damaged: one copy runs, and it has all that it has written.
    @Test
    void anyFaultLeavesOneCopyWithAllPages() throws Exception {
        long sent = untilPages();
        guest.close();
        Random random = new Random(20_261_130);
        int paused = 0;
        for (int i = 0; i < FAULTS; i++) {
            TestCarrier.Fault fault = TestCarrier.Fault.any(random, 3, 600, sent, 6000);
            guest = new MigratedGuest(folder.resolve("guest" + i));
            guest.registersTimeArea();
            guest.awaitSteps();
            try {
                paused += faulty(fault) ? 1 : 0;
            } catch (AssertionError e) {
                throw new AssertionError(fault + " of " + sent, e);
            }
            guest.close();
        }
        assertTrue(paused > 0);
    }

    /// @return whether pages had to follow on another connection
    private boolean faulty(TestCarrier.Fault fault) throws Exception {
        List<Throwable> failures = migrate(fault);
        if (last(guest.guestsA).phase() == MigrationPhase.PAUSED) {
            for (int i = 0; last(guest.guestsA).phase() == MigrationPhase.PAUSED; i++) {
                TestCarrier.Fault next =
                        i < 2
                                ? new TestCarrier.Fault(true, 2000 * i + 90, true)
                                : TestCarrier.Fault.NONE;
                List<Throwable> again = recover(next);
                assertTrue(i < 3 || again.getFirst() == null, again.toString());
            }
            guest.assertWhole(guest.b.next());
            assertHasLeft();
            return true;
        }
        if (guest.guestsA.state("web") == GuestState.RUNNING) {
            assertNotNull(failures.getFirst());
            guest.assertWhole(guest.domain);
            assertFalse(guest.hasRunAtB());
            assertEquals(List.of(), guest.records());
            if (guest.isWaiting()) {
                guest.guestsB.migrations().resolve("web", Migration.Resolution.DESTROY);
                Eventually.holds("its name is free", () -> guest.guestsB.named("web") == null);
            }
        } else {
            assertNull(failures.getFirst());
            guest.assertWhole(guest.b.next());
            assertHasLeft();
        }
        return false;
    }
}
