package io.xenemu.core.control;

import io.xenemu.core.domain.Domain;
import io.xenemu.core.trace.HypercallTrace;
import io.xenemu.core.trace.TraceBeginning;
import io.xenemu.core.trace.TraceFilter;
import io.xenemu.core.trace.TracePoints;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A client of `trace`. It gets a trace until it goes or the domain ends. Its input is ignored. The recording begins
/// and ends with the session, so that a client that goes early leaves none behind.
///
/// @param traces starts the trace
/// @param domain the domain to trace
/// @param filter selects its calls
record TraceSession(TracePoints traces, Domain domain, TraceFilter filter)
        implements ControlReply.Session {
    private static final Logger log = LoggerFactory.getLogger(TraceSession.class);

    /// Time for a client to read a block.
    private static final Duration WRITE_LIMIT = Duration.ofSeconds(30);

    private static final int PIECE = 256;

    @Override
    public void serve(SocketChannel client) throws IOException {
        try (HypercallTrace trace = start()) {
            if (trace == null) {
                // Another client was faster, or the domain has ended: the stream ends at once.
                return;
            }
            Thread writer = Thread.ofVirtual().name("trace").start(() -> write(client, trace));
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

    /// Begins the trace. The trace of a paused domain has its state, so that it can be replayed. A running domain is
    /// not stopped for that.
    private @Nullable HypercallTrace start() {
        if (!domain.isPaused()) {
            return traces.start(domain, filter, TraceBeginning.RUNNING);
        }
        // An operator may end the pause meanwhile, and this one keeps the vCPUs parked.
        domain.pause();
        try {
            return traces.start(domain, filter, TraceBeginning.ofHeld(domain));
        } finally {
            boolean _ = domain.unpause();
        }
    }

    /// Writes the trace. Closes the connection at the end, which also ends the reading thread.
    private static void write(SocketChannel client, HypercallTrace trace) {
        try (client) {
            trace.writeTo(bytes -> write(client, bytes));
        } catch (IOException e) {
            log.debug("a reader of a trace has gone: {}", e.toString());
        } catch (RuntimeException | Error e) {
            log.error("a reader of a trace has lost its connection", e);
        }
    }

    private static void write(SocketChannel client, ByteBuffer bytes) throws IOException {
        try (SocketDeadline _ = SocketDeadline.of(client, WRITE_LIMIT)) {
            while (bytes.hasRemaining()) {
                client.write(bytes);
            }
        }
    }
}
