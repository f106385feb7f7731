package io.xenemu.core.control;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.google.common.collect.ImmutableMap;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.hypervisor.DomainEvent;
import io.xenemu.core.hypervisor.DomainOrder;
import io.xenemu.core.hypervisor.EventBoard;
import io.xenemu.core.hypervisor.OperatedDomains;
import io.xenemu.kvm.abi.DomId;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Readers of events.
@Timeout(60)
final class EventSessionTest {
    private static final DomainEvent EVENT =
            new DomainEvent(
                    DomainEvent.Type.SHUTDOWN,
                    new DomId(3),
                    "web",
                    Instant.EPOCH,
                    ImmutableMap.of("reason", "poweroff"));

    private static final String LINE =
            "{\"type\": \"shutdown\", \"time\": \"1970-01-01T00:00:00Z\", \"domain\": 3, \"name\": \"web\", \"reason\": \"poweroff\"}";

    @TempDir private Path folder = Path.of("");

    private final EventBoard board = new EventBoard();
    private final CountDownLatch subscribed = new CountDownLatch(1);

    private Path path() {
        return folder.resolve("control");
    }

    /// A service without domains, which says when a reader has subscribed.
    private ControlSocket open() throws IOException {
        EventSession session = new EventSession(board, new NoDomains());
        return ControlSocket.open(
                path(), null, new TestCommands(_ -> ControlReply.session(session)));
    }

    private final class NoDomains implements OperatedDomains {
        @Override
        public void forEach(Consumer<Domain> work) {
            subscribed.countDown();
        }

        @Override
        public void order(Domain domain, DomainOrder order) {}

        @Override
        public void destroy(Domain domain) {}

        @Override
        public void awaitStop(Domain domain) {}

        @Override
        public void awaitEnd(Domain domain) {}
    }

    @Test
    void readerGetsEventsUntilItGoes() throws Exception {
        try (ControlSocket _ = open();
                TestClient client = TestClient.of(path())) {
            board.tell(EVENT); // before there is a reader
            client.ask("events");
            assertEquals(List.of(), client.text());
            subscribed.await();
            board.tell(EVENT);
            assertEquals("{\"event\": " + LINE + "}", client.line());
        }
    }

    @Test
    void commandReadsEventsUntilTheServiceEnds() throws Exception {
        List<String> events = new ArrayList<>();
        ControlSocket socket = open();
        Thread telling =
                Thread.ofVirtual()
                        .start(() -> {
                            try {
                                subscribed.await();
                                board.tell(EVENT);
                            } catch (InterruptedException e) {
                                Thread.currentThread().interrupt();
                            }
                        });
        ControlClient.events(
                path(),
                event -> {
                    events.add(event);
                    closed(socket);
                });
        assertEquals(List.of(LINE), events);
        telling.join();
    }

    private static void closed(ControlSocket socket) {
        try {
            socket.close();
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void readerThatDoesNotReadIsCutOffAndHoldsUpNobody() throws Exception {
        String name = "x".repeat(60_000);
        DomainEvent large =
                new DomainEvent(
                        DomainEvent.Type.CREATED,
                        new DomId(3),
                        name,
                        Instant.EPOCH,
                        ImmutableMap.of());
        try (ControlSocket _ = open();
                TestClient client = TestClient.of(path())) {
            client.ask("events");
            assertEquals(List.of(), client.text());
            subscribed.await();
            // More than are kept and than the socket takes.
            for (int i = 0; i < 2 * EventBoard.MAX_HELD; i++) {
                board.tell(large);
            }
            String last = "";
            for (String line = client.line(); line != null; line = client.line()) {
                last = line;
            }
            assertEquals(
                    "{\"error\": {\"type\": \"too-slow\", \"message\": \"more than 1024 events were not read: some are lost\"}}",
                    last);
        }
    }
}
