package io.xenemu.core.control;

import io.xenemu.core.domain.Domain;
import io.xenemu.core.hypervisor.DomainEvent;
import io.xenemu.core.hypervisor.EventBoard;
import io.xenemu.core.hypervisor.OperatedDomains;
import io.xenemu.core.json.Json;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A client of `events`. It gets an event of type `exists` for each domain, and then all further events. Its input is
/// ignored. A client that reads too slowly is told so and cut off.
///
/// @param board the source of the events
/// @param domains those that exist
record EventSession(EventBoard board, OperatedDomains domains) implements ControlReply.Session {
    private static final Logger log = LoggerFactory.getLogger(EventSession.class);

    /// Time for a client to read one event.
    private static final Duration WRITE_LIMIT = Duration.ofSeconds(30);

    private static final int PIECE = 256;

    @Override
    public void serve(SocketChannel client) throws IOException {
        // Subscribes first, so that events during the listing are sent after it.
        try (EventBoard.Subscription events = board.subscribe()) {
            Thread writer = Thread.ofVirtual().name("events").start(() -> write(client, events));
            try {
                ByteBuffer ignored = ByteBuffer.allocate(PIECE);
                while (client.read(ignored) >= 0) {
                    ignored.clear();
                }
            } finally {
                writer.interrupt();
            }
        }
    }

    /// Writes events. Closes the connection at the end, which also ends the reading thread.
    private void write(SocketChannel client, EventBoard.Subscription events) {
        try (client) {
            ControlOutput output = new ControlOutput(client, WRITE_LIMIT);
            List<Domain> existing = new ArrayList<>();
            domains.forEach(existing::add);
            for (Domain domain : existing) {
                output.event(json(DomainEvent.of(DomainEvent.Type.EXISTS, domain)));
            }
            for (DomainEvent event = events.take(); event != null; event = events.take()) {
                output.event(json(event));
            }
            output.error(
                    "too-slow",
                    "more than " + EventBoard.MAX_HELD + " events were not read: some are lost");
        } catch (IOException e) {
            log.debug("a reader of events has gone: {}", e.toString());
        } catch (RuntimeException | Error e) {
            log.error("a reader of events has lost its connection", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static Json.Obj json(DomainEvent event) {
        Json.Obj json =
                Json.EMPTY
                        .with(ControlProtocol.TYPE, ControlProtocol.word(event.type()))
                        .with("time", event.time().toString())
                        .with("domain", event.domain().value())
                        .with("name", event.name());
        for (var detail : event.details().entrySet()) {
            json = json.with(detail.getKey(), detail.getValue());
        }
        return json;
    }
}
