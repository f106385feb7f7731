package io.xenemu.core.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.domain.Domain;
import io.xenemu.core.hypervisor.MigrationOptions;
import io.xenemu.core.migration.DetachableChannel;
import io.xenemu.core.migration.MigrationLink;
import io.xenemu.core.migration.MigrationMessage;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.testing.Eventually;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Migrations whose pages go over several connections.
@Timeout(300)
final class StreamsMigrationTest {
    private static final int MIB = 1 << 20;

    /// Memory that the guest does not write to, and its content.
    private static final int AT = 5 * MIB;

    private static final int FAULTS = 8;

    @TempDir private Path folder = Path.of("");
    private final List<TestCarrier> open = new ArrayList<>();
    private final byte[] content = new byte[5 * MIB / 2];
    private MigratedGuest guest;

    @BeforeEach
    void start() throws Exception {
        guest = filled("guest");
    }

    @AfterEach
    void close() throws Exception {
        guest.close();
        for (TestCarrier carrier : open) {
            carrier.close();
        }
    }

    private MigratedGuest filled(String name) throws Exception {
        MigratedGuest made = new MigratedGuest(folder.resolve(name));
        new Random(7).nextBytes(content);
        MemorySegment.copy(
                MemorySegment.ofArray(content), 0, made.domain.memory().ram(), AT, content.length);
        return made;
    }

    private TestCarrier carrier(TestCarrier.Fault fault) throws Exception {
        TestCarrier carrier = new TestCarrier(Files.createTempDirectory(folder, "carrier"), fault);
        open.add(carrier);
        return carrier;
    }

    private TestCarrier carrier() throws Exception {
        return carrier(TestCarrier.Fault.NONE);
    }

    private void assertWhole(Domain running) throws Exception {
        guest.assertWhole(running);
        assertEquals(
                -1,
                MemorySegment.ofArray(content)
                        .mismatch(running.memory().ram().asSlice(AT, content.length)));
    }

    private void assertStillHere() throws Exception {
        assertWhole(guest.domain);
        assertFalse(guest.hasRunAtB());
        assertEquals(GuestState.RUNNING, guest.guestsA.state("web"));
    }

    private static String reason(Throwable failure) {
        return String.valueOf(failure.getMessage());
    }

    @Test
    void guestMovesOverSeveralConnections() throws Exception {
        List<TestCarrier> further = List.of(carrier(), carrier());
        assertEquals(
                Arrays.asList(null, null),
                guest.migrate(carrier(), further, MigrationOptions.DEFAULT));
        Domain moved = guest.b.next();
        assertWhole(moved);
        for (TestCarrier one : further) {
            assertTrue(one.toTarget.get() > MIB / 4, one.toTarget + " bytes");
        }
        assertEquals(1, guest.guestsB.migrations().list().size());
        assertTrue(
                guest.guestsA.migrations().list().getLast().rounds().bytes() >= content.length,
                "the bytes of all connections count");
    }

    /// Wherever a further connection is lost or damaged, one copy runs.
    @Test
    void anyFaultOfAFurtherConnectionLeavesOneCopy() throws Exception {
        Random random = new Random(20_261_201);
        List<TestCarrier> clean = List.of(carrier(), carrier());
        List<Throwable> _ = guest.migrate(carrier(), clean, MigrationOptions.DEFAULT);
        long sent = clean.getFirst().toTarget.get();
        int answered = Math.toIntExact(clean.getFirst().toSource.get());
        for (int i = 0; i < FAULTS; i++) {
            guest.close();
            guest = filled("guest" + i);
            TestCarrier.Fault fault = TestCarrier.Fault.any(random, 4, answered, sent, 200);
            List<Throwable> failures =
                    guest.migrate(
                            carrier(),
                            List.of(carrier(), carrier(fault)),
                            MigrationOptions.DEFAULT);
            Domain copy = guest.b.built();
            try {
                if (guest.settle(failures, true)) {
                    assertStillHere();
                } else {
                    assertWhole(Objects.requireNonNull(copy));
                }
            } catch (AssertionError e) {
                throw new AssertionError(fault + " of " + sent, e);
            }
        }
    }

    @Test
    void lostConnectionIsNamedAndTheGuestStays() throws Exception {
        TestCarrier cut = carrier(new TestCarrier.Fault(true, MIB / 8, true));
        List<Throwable> failures =
                guest.migrate(carrier(), List.of(carrier(), cut), MigrationOptions.DEFAULT);
        assertTrue(
                reason(failures.getFirst()).startsWith("host b: stream 3: "),
                reason(failures.getFirst()));
        assertStillHere();
        Eventually.holds("no copy is left there", () -> guest.guestsB.named("web") == null);
        assertEquals(
                Arrays.asList(null, null),
                guest.migrate(carrier(), List.of(carrier()), MigrationOptions.DEFAULT));
    }

    @Test
    void cancelEndsAllConnections() throws Exception {
        guest.alwaysWrites();
        MigrationOptions endless =
                new MigrationOptions(Duration.ZERO, 100_000, Optional.empty(), false, false, false);
        TestCarrier main = carrier();
        List<TestCarrier> further = List.of(carrier(), carrier());
        FutureTask<List<Throwable>> ends =
                TwoSides.begun(() -> guest.migrate(main, further, endless));
        Eventually.holds("pages go", () -> further.getLast().toTarget.get() > MIB / 8);
        guest.guestsA.migrations().cancel("web");
        assertEquals("the migration of web was cancelled", reason(ends.get().getFirst()));
        assertStillHere();
    }

    /// The end of a connection of another program, or of an earlier migration.
    @Test
    void wrongTokenIsRefused() throws Exception {
        TestCarrier carrier = carrier();
        FutureTask<String> target =
                TwoSides.begun(() -> guest.guestsB.receive(carrier.target(), "host a"));
        try (MigrationLink link =
                new MigrationLink(DetachableChannel.connect(carrier.source().path()))) {
            link.send(new MigrationMessage.Join(new UUID(1, 2), 2));
            assertEquals(
                    new MigrationMessage.Refuse("no migration expects this connection"),
                    link.receive());
        }
        assertEquals(
                "a connection has come that no migration expects",
                reason(Objects.requireNonNull(TwoSides.failure(target))));
        assertEquals(List.of(), guest.guestsB.migrations().list());
    }

    @Test
    void connectionThatIsOneTooManyEndsTheWait() throws Exception {
        try (SocketChannel channel = SocketChannel.open()) {
            MigrationLink link = new MigrationLink(channel);
            CompletableFuture<String> end;
            try (JoiningStreams streams = new JoiningStreams("web", 3)) {
                end = streams.join(3, link);
                assertFalse(end.isDone());
                String expected = "stream 3 of web was not expected";
                assertEquals(
                        expected,
                        assertThrows(Refused.class, () -> streams.join(3, link)).getMessage());
                assertEquals(
                        expected,
                        assertThrows(IOException.class, () -> streams.await(Duration.ofDays(1)))
                                .getMessage());
            }
            assertEquals("web", end.get());
            assertFalse(channel.isOpen());
        }
    }

    @Test
    void lateConnectionsEndTheWait() throws Exception {
        try (SocketChannel channel = SocketChannel.open();
                JoiningStreams streams = new JoiningStreams("web", 3)) {
            MigrationLink link = new MigrationLink(channel);
            CompletableFuture<String> _ = streams.join(2, link);
            assertEquals(
                    "not all of the 2 further connections have come within 0 s",
                    assertThrows(IOException.class, () -> streams.await(Duration.ZERO))
                            .getMessage());
            assertThrows(Refused.class, () -> streams.join(3, link));
        }
    }

    @Test
    void whatGoesOverOneConnectionAloneIsRefused() throws Exception {
        List<Throwable> failures =
                guest.migrate(
                        carrier(), List.of(carrier()), MigrationOptions.DEFAULT.withPostCopy());
        assertEquals(
                "pages that follow a guest come over one connection", reason(failures.getFirst()));
        assertStillHere();
    }

    /// Nothing of it is sent, so no further connection is needed.
    @Test
    void bothSidesCanBeAskedAboutSeveralStreams() throws Exception {
        MigrationOptions asks =
                new MigrationOptions(Duration.ZERO, 0, Optional.empty(), false, false, true)
                        .withStreams(4);
        assertEquals(null, guest.migrate(carrier(), asks).getFirst());
        assertStillHere();
    }
}
