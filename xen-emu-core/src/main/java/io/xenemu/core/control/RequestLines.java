package io.xenemu.core.control;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.toolstack.Refused;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.CharacterCodingException;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/// The lines that one client of a [ControlSocket] sends. A client that does not send a whole line in time is cut off,
/// and so is one that makes room for another ([#makeRoom]).
final class RequestLines {
    private final SocketChannel client;
    private final Duration idle;

    /// Received bytes, from 0 to the position.
    private final ByteBuffer received = ByteBuffer.allocate(ControlProtocol.MAX_REQUEST + 1);

    /// Index of the next line's first byte.
    private int start;

    /// Index up to which there is no line's end after `start`.
    private int searched;

    /// Whether the service waits for the client, as it does from the beginning: nothing has been asked yet.
    @GuardedBy("this")
    private boolean waiting = true;

    /// Start of the wait for the client, by [System#nanoTime].
    @GuardedBy("this")
    private long since = System.nanoTime();

    @GuardedBy("this")
    private boolean madeRoom;

    /// @param idle time for the client to send one line
    RequestLines(SocketChannel client, Duration idle) {
        this.client = client;
        this.idle = idle;
    }

    /// Waits for the next line.
    ///
    /// @return the line without its end, or null if there are no more
    /// @throws Refused if the line is no UTF-8, or too long, after which nothing can be read
    @Nullable String next() throws IOException, Refused {
        if (!findEnd() && !receive()) {
            return null;
        }
        ByteBuffer line = received.slice(start, searched - start);
        start = ++searched;
        try {
            return UTF_8.newDecoder().decode(line).toString();
        } catch (CharacterCodingException e) {
            throw new Refused(Refused.Kind.MALFORMED, "not a request: it is no UTF-8");
        }
    }

    private boolean findEnd() {
        while (searched < received.position() && received.get(searched) != '\n') {
            searched++;
        }
        return searched < received.position();
    }

    private boolean receive() throws IOException, Refused {
        ByteBuffer space = space();
        if (!beginWait()) {
            return false;
        }
        try (SocketDeadline _ = SocketDeadline.of(client, idle)) {
            while (client.read(space) >= 0) {
                if (findEnd()) {
                    return true;
                }
                if (isFull()) {
                    throw new Refused(
                            Refused.Kind.MALFORMED,
                            "more than " + ControlProtocol.MAX_REQUEST + " bytes in a line");
                }
            }
            return false;
        } finally {
            endWait();
        }
    }

    /// The buffer for further bytes, which go to its position. It has as much room as possible.
    ByteBuffer space() {
        received.flip().position(start);
        received.compact();
        searched -= start;
        start = 0;
        return received;
    }

    /// Whether a line is too long, so that no more can be read.
    boolean isFull() {
        return !received.hasRemaining();
    }

    /// A client that has asked nothing yet has waited since it came, however late its thread runs.
    private synchronized boolean beginWait() {
        if (madeRoom) {
            waiting = false;
        } else if (!waiting) {
            waiting = true;
            since = System.nanoTime();
        }
        return waiting;
    }

    private synchronized void endWait() {
        waiting = false;
    }

    /// Nanoseconds for which the service has waited for this client so far; negative if it does not wait.
    synchronized long waited() {
        return waiting ? Math.max(0, System.nanoTime() - since) : -1;
    }

    /// Ends the connection if the service waits for this client: there are no more lines.
    ///
    /// @return false if it does not wait
    synchronized boolean makeRoom() throws IOException {
        if (!waiting || madeRoom) {
            return false;
        }
        madeRoom = true;
        client.shutdownInput();
        return true;
    }

    /// Whether the lines have ended because of [#makeRoom].
    synchronized boolean hasMadeRoom() {
        return madeRoom;
    }
}
