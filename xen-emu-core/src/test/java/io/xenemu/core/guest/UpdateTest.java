package io.xenemu.core.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.OwnPart;
import io.xenemu.core.migration.UpdateLink;
import io.xenemu.core.migration.UpdateMessage;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.socket.MessageSocket;
import io.xenemu.kvm.testing.Eventually;
import io.xenemu.xenstore.client.XenStoreClient;
import io.xenemu.xenstore.wire.MessageType;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.FutureTask;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Live updates of a guest on a fake VM between two services that share its memory.
@Timeout(300)
final class UpdateTest {
    private static final int NEVER = Integer.MAX_VALUE;

    /// Steps of each side: six messages, each before and after.
    private static final int STEPS = 12;

    /// The step of the new process at which it says that the guests are its own, and the one after it.
    private static final int SAYS_TAKEN = 10;

    private static final int RANDOM_KILLS = 20;

    @TempDir private Path folder = Path.of("");
    private MigratedGuest guest;

    @BeforeEach
    void start() throws Exception {
        guest = new MigratedGuest(folder.resolve("guest"), false);
    }

    @AfterEach
    void close() {
        guest.close();
    }

    /// The two processes while one hands over to the other.
    private final class Update implements AutoCloseable {
        final KilledLink oldLink;
        final KilledLink newLink;
        final FutureTask<@Nullable Void> source;
        final FutureTask<Duration> target;

        Update(int oldKilledAt, int newKilledAt) throws Exception {
            Path path = Files.createTempDirectory(folder, "s").resolve("s");
            try (MessageSocket.Listener listener =
                    MessageSocket.Listener.bind(path, Duration.ofSeconds(30))) {
                newLink = new KilledLink(MessageSocket.connect(path), newKilledAt);
                oldLink = new KilledLink(accepted(listener), oldKilledAt);
            }
            source =
                    new FutureTask<>(() -> {
                        new UpdateSource(guest.a.hypervisor, guest.guestsA, oldLink, () -> {})
                                .run();
                        return null;
                    });
            target =
                    new FutureTask<>(() ->
                            new UpdateTarget(guest.b.hypervisor, guest.guestsB, newLink, _ -> {})
                                    .run("the test"));
            Thread.ofPlatform().daemon().start(source);
            Thread.ofPlatform().daemon().start(target);
        }

        private static MessageSocket accepted(MessageSocket.Listener listener) throws Exception {
            MessageSocket socket = listener.accept();
            assertNotNull(socket);
            return socket;
        }

        /// Lets what hangs in a killed process end.
        @Override
        public void close() {
            oldLink.testIsOver();
            newLink.testIsOver();
            Eventually.holds("both have ended", () -> source.isDone() && target.isDone());
            newLink.close();
        }
    }

    private static String reason(@Nullable Throwable failure) {
        return failure == null ? "" : String.valueOf(failure.getMessage());
    }

    private void assertStillHere() throws Exception {
        guest.assertWhole(guest.domain);
        assertFalse(guest.hasRunAtB());
        Eventually.holds(
                "its driver goes on", () -> guest.guestsA.state("web") == GuestState.RUNNING);
    }

    @Test
    void guestGoesOnInTheNewProcessInTheSameMemory() throws Exception {
        guest.awaitSteps();
        try (Update update = new Update(NEVER, NEVER)) {
            assertNull(TwoSides.failure(update.source));
            assertNull(TwoSides.failure(update.target));
            assertEquals(STEPS, update.oldLink.steps().size());
            assertEquals(STEPS, update.newLink.steps().size());
        }
        Domain taken = guest.b.next();
        assertEquals(guest.domain.id(), taken.id());
        assertEquals(guest.domain.config(), taken.config());
        guest.assertWhole(taken);
        Eventually.holds("it has left", () -> guest.guestsA.named("web") == null);
        guest.assertWhole(taken);
        assertEquals(GuestState.RUNNING, guest.guestsB.state("web"));
    }

    @Test
    void newProcessThatIsKilledAtAnyPointLosesNothingThatItHasNotTaken() throws Exception {
        for (int step = 0; step <= SAYS_TAKEN; step++) {
            try (Update update = new Update(NEVER, step)) {
                assertFalse(reason(TwoSides.failure(update.source)).isEmpty(), "step " + step);
                assertStillHere();
            }
        }
        assertUpdatesNow();
    }

    /// Nobody runs it then: a process that is killed takes its guests with it.
    @Test
    void newProcessThatIsKilledWhenItHasTakenTheGuestLeavesNoSecondOne() throws Exception {
        try (Update update = new Update(NEVER, SAYS_TAKEN + 1)) {
            assertNull(TwoSides.failure(update.source));
            Eventually.holds("it has left", () -> guest.guestsA.named("web") == null);
            assertFalse(guest.hasRunAtB());
        }
        assertFalse(guest.hasRunTwice());
    }

    @Test
    void oldProcessThatIsKilledLeavesTheGuestToTheNewOneOrToNobody() throws Exception {
        for (int step = 0; step < STEPS - 2; step++) {
            try (Update update = new Update(step, NEVER)) {
                String reason = reason(TwoSides.failure(update.target));
                boolean runs = reason.isEmpty();
                assertEquals(runs, guest.hasRunAtB() || hasRunWhole(runs), "step " + step);
                if (runs) {
                    assertTrue(update.oldLink.steps().contains("has sent Go"), "step " + step);
                    return;
                }
            }
        }
    }

    private boolean hasRunWhole(boolean runs) throws Exception {
        if (runs) {
            guest.assertWhole(taken());
        }
        return runs;
    }

    @Test
    void oneOfThemRunsTheGuestWheneverTheNewProcessIsKilled() throws Exception {
        Random random = new Random(5);
        boolean isHere = true;
        for (int i = 0; i < RANDOM_KILLS && isHere; i++) {
            guest.awaitSteps();
            try (Update update = new Update(NEVER, NEVER)) {
                Thread.sleep(random.nextInt(20));
                update.newLink.kill();
                isHere = TwoSides.failure(update.source) != null;
                if (isHere) {
                    assertStillHere();
                    continue;
                }
                // It may hang as it was killed when it had just said that the guest is its own.
                update.newLink.testIsOver();
                if (TwoSides.failure(update.target) == null) {
                    guest.assertWhole(taken());
                }
            }
            assertFalse(guest.hasRunTwice());
        }
    }

    /// The last domain of the new process, after those of updates that have failed.
    private Domain taken() {
        Domain last = null;
        for (Domain next = guest.b.built(); next != null; next = guest.b.built()) {
            last = next;
        }
        assertNotNull(last);
        return last;
    }

    private void assertUpdatesNow() throws Exception {
        try (Update update = new Update(NEVER, NEVER)) {
            assertNull(TwoSides.failure(update.source));
            assertNull(TwoSides.failure(update.target));
        }
        guest.assertWhole(taken());
    }

    @Test
    void blockerIsNamedBeforeAnythingIsSent() throws Exception {
        guest.domain.add(OwnPart.unsaved("clay", "it is wet"));
        try (Update update = new Update(NEVER, NEVER)) {
            assertEquals("web: clay: it is wet", reason(TwoSides.failure(update.source)));
            assertEquals("web: clay: it is wet", reason(TwoSides.failure(update.target)));
            assertEquals(
                    List.of("receives", "has received", "sends Refuse", "has sent Refuse"),
                    update.oldLink.steps());
        }
        assertStillHere();
    }

    @Test
    void guestThatTheNewProcessCannotHaveGoesOn() throws Exception {
        guest.guestsB.create(guest.diskless(), true);
        try (Update update = new Update(NEVER, NEVER)) {
            String why = "a domain has this name already: web";
            assertEquals(
                    "the new version cannot take over: " + why,
                    reason(TwoSides.failure(update.source)));
            assertEquals(why, reason(TwoSides.failure(update.target)));
        }
        assertStillHere();
    }

    @Test
    void newProcessThatDoesNotBecomeReadyIsGivenUp() throws Exception {
        Path path = folder.resolve("s");
        try (MessageSocket.Listener listener =
                        MessageSocket.Listener.bind(path, Duration.ofSeconds(30));
                UpdateLink silent = new UpdateLink(MessageSocket.connect(path))) {
            MessageSocket accepted = listener.accept();
            assertNotNull(accepted);
            silent.send(new UpdateMessage.Hello(UpdateMessage.VERSION, "a silent program"));
            UpdateSource source =
                    new UpdateSource(
                            guest.a.hypervisor,
                            guest.guestsA,
                            new UpdateLink(accepted),
                            () -> {},
                            Duration.ofMillis(200));
            assertEquals(
                    "the new version was not ready in time",
                    assertThrows(Refused.class, source::run).reason());
        }
        assertStillHere();
    }

    @Test
    void pausedGuestStaysPaused() throws Exception {
        Objects.requireNonNull(guest.guestsA.named("web"))
                .put(DriverRequest.of(DriverRequest.Kind.PAUSE));
        Eventually.holds("it pauses", () -> guest.guestsA.state("web") == GuestState.PAUSED);
        try (Update update = new Update(NEVER, NEVER)) {
            assertNull(TwoSides.failure(update.source));
            assertNull(TwoSides.failure(update.target));
        }
        assertEquals(GuestState.PAUSED, guest.guestsB.state("web"));
        assertFalse(guest.hasRunAtB());
        Objects.requireNonNull(guest.guestsB.named("web"))
                .put(DriverRequest.of(DriverRequest.Kind.UNPAUSE));
        guest.assertWhole(guest.b.next());
    }

    @Test
    void nodesOfTheHostAndOfTheGuestGoOn() throws Exception {
        try (XenStoreClient client = guest.a.hypervisor.xenstore().client()) {
            client.write("/tool/mine", "kept");
            client.write("/local/domain/1/data/mine", "kept too");
        }
        try (Update update = new Update(NEVER, NEVER)) {
            assertNull(TwoSides.failure(update.source));
            assertNull(TwoSides.failure(update.target));
        }
        try (XenStoreClient client = guest.b.hypervisor.xenstore().client()) {
            assertEquals("kept", client.read("/tool/mine"));
            assertEquals("kept too", client.read("/local/domain/1/data/mine"));
            assertEquals("web", client.read("/local/domain/1/name"));
        }
        assertEquals(
                guest.a.hypervisor.lastDomainId(),
                guest.b.hypervisor.lastDomainId(),
                "no id is given out twice");
    }

    /// A program of the host that watches `/tool`, and has begun transaction 1.
    private StoreTool tool() throws Exception {
        Path socket = folder.resolve("xenstore");
        guest.a.hypervisor.xenstore().listen(socket);
        StoreTool tool = new StoreTool(socket);
        assertEquals("OK|", tool.ask(MessageType.WATCH, 0, "/tool|token|"));
        assertEquals("/tool|token|", tool.next());
        assertEquals("1|", tool.ask(MessageType.TRANSACTION_START, 0, "|"));
        assertEquals("OK|", tool.ask(MessageType.WRITE, 1, "/local/domain/1/mine|changed"));
        return tool;
    }

    @Test
    void toolOfTheHostKeepsItsConnectionWithWatchAndTransaction() throws Exception {
        try (StoreTool tool = tool()) {
            try (Update update = new Update(NEVER, NEVER)) {
                assertNull(TwoSides.failure(update.source));
                assertNull(TwoSides.failure(update.target));
            }
            guest.guestsA.close();
            guest.a.hypervisor.xenstore().close();
            try (XenStoreClient client = guest.b.hypervisor.xenstore().client()) {
                client.write("/tool/seen", "");
                assertEquals("/tool/seen|token|", tool.next());
                assertEquals("OK|", tool.ask(MessageType.TRANSACTION_END, 1, "T|"));
                assertEquals("changed", client.read("/local/domain/1/mine"));
            }
            try (StoreTool later = new StoreTool(folder.resolve("xenstore"))) {
                assertEquals("web", later.ask(MessageType.READ, 0, "/local/domain/1/name|"));
            }
        }
    }

    /// There is one message more: its socket's.
    @Test
    void toolOfTheHostGoesOnAtTheOldProcessWheneverTheNewOneIsKilled() throws Exception {
        try (StoreTool tool = tool()) {
            for (int step = 0; step <= SAYS_TAKEN + 2; step++) {
                try (Update update = new Update(NEVER, step)) {
                    assertFalse(reason(TwoSides.failure(update.source)).isEmpty(), "step " + step);
                    tool.send(MessageType.WRITE, 0, "/tool/" + step + "|");
                    assertEquals("/tool/" + step + "|token|", tool.next());
                    assertEquals("OK|", tool.next());
                    assertStillHere();
                }
            }
            try (StoreTool other = new StoreTool(folder.resolve("xenstore"))) {
                assertEquals("web", other.ask(MessageType.READ, 0, "/local/domain/1/name|"));
            }
            assertEquals("OK|", tool.ask(MessageType.TRANSACTION_END, 1, "T|"));
        }
    }

    @Test
    void serviceWithoutGuestsIsHandedOverToo() throws Exception {
        Objects.requireNonNull(guest.guestsA.named("web")).stop();
        try (XenStoreClient client = guest.a.hypervisor.xenstore().client()) {
            client.write("/tool/mine", "kept");
        }
        try (Update update = new Update(NEVER, NEVER)) {
            assertNull(TwoSides.failure(update.source));
            assertNull(TwoSides.failure(update.target));
        }
        try (XenStoreClient client = guest.b.hypervisor.xenstore().client()) {
            assertEquals("kept", client.read("/tool/mine"));
        }
    }
}
