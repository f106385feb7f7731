package io.xenemu.core.control;

import io.xenemu.core.json.Json;
import io.xenemu.core.json.JsonWriter;
import io.xenemu.core.toolstack.Refused;
import java.io.IOException;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.concurrent.Semaphore;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One client of a [ControlSocket]. Its requests are carried out one after the other.
final class ServedConnection {
    private static final Logger log = LoggerFactory.getLogger(ServedConnection.class);

    /// Time for a client, which is on the same machine, to read one line.
    private static final Duration WRITE_LIMIT = Duration.ofSeconds(30);

    /// Time for a client that makes room for another one to read its last line.
    private static final Duration LAST_WORD_LIMIT = Duration.ofMillis(100);

    /// The most characters of a request's arguments in the log. Those of a new guest are much longer.
    private static final int TOLD = 100;

    /// The type of the error for a bug of ours.
    private static final String FAILED = "failed";

    private static final String TOO_MANY_SESSIONS =
            "too many consoles and waiting commands: " + ControlSocket.MAX_SESSIONS;

    /// The terms that the clients of all connections share.
    ///
    /// @param commands the commands that they may send
    /// @param sessions permits for sessions and for commands that wait
    /// @param idle time for a client to send one request
    record Terms(ControlCommands commands, Semaphore sessions, Duration idle) {}

    private final SocketChannel client;
    private final String user;
    private final Terms terms;
    private final ControlOutput output;
    private final RequestLines lines;

    ServedConnection(SocketChannel client, String user, Terms terms) {
        this.client = client;
        this.user = user;
        this.terms = terms;
        output = new ControlOutput(client, WRITE_LIMIT);
        lines = new RequestLines(client, terms.idle());
    }

    /// Serves it until the client or the service ends it.
    void serve() throws IOException {
        output.greeting();
        boolean goesOn = true;
        while (goesOn) {
            try {
                String line = lines.next();
                goesOn = line != null && serveLine(line);
            } catch (Refused e) {
                output.refusal(e);
                goesOn = !lines.isFull();
            }
        }
        if (lines.hasMadeRoom()) {
            new ControlOutput(client, LAST_WORD_LIMIT)
                    .refusal(
                            new Refused(
                                    Refused.Kind.BUSY,
                                    "too many connections, and this one has asked nothing for longest"));
        }
    }

    /// The user at the other end.
    String user() {
        return user;
    }

    /// Nanoseconds for which the service has waited for the client so far; negative if it does not wait.
    long waited() {
        return lines.waited();
    }

    /// Ends it if the service waits for the client.
    ///
    /// @return false if it does not
    boolean makeRoom() throws IOException {
        return lines.makeRoom();
    }

    /// @return false when the connection is over
    private boolean serveLine(String line) throws IOException, Refused {
        if (line.isBlank()) {
            return true;
        }
        if (!line.stripLeading().startsWith("{")) {
            output.plain(
                    ControlProtocol.OLD_ERROR
                            + "this service speaks version "
                            + ControlProtocol.VERSION
                            + " of the control protocol, JSON lines");
            return false;
        }
        return serve(ControlRequest.read(line));
    }

    /// @return false if a session has used the connection
    private boolean serve(ControlRequest request) throws IOException {
        ControlCommands.Command command;
        try {
            command = terms.commands().find(request);
        } catch (Refused e) {
            output.refusal(request.id(), e);
            return true;
        }
        tell(request, command.effect());
        if (!command.isLong()) {
            return answer(request, command);
        }
        // Checked before any work, so that a refused command has asked no guest to end.
        if (!terms.sessions().tryAcquire()) {
            output.refusal(request.id(), new Refused(Refused.Kind.BUSY, TOO_MANY_SESSIONS));
            return true;
        }
        try {
            return answer(request, command);
        } finally {
            terms.sessions().release();
        }
    }

    private boolean answer(ControlRequest request, ControlCommands.Command command)
            throws IOException {
        ControlReply reply = carryOut(request, command);
        if (reply == null) {
            return true;
        }
        output.result(request.id(), reply);
        ControlReply.Session session = reply.session();
        if (session == null) {
            return true;
        }
        session.serve(client);
        return false;
    }

    /// @return null if it failed; the client has been told the reason
    private @Nullable ControlReply carryOut(ControlRequest request, ControlCommands.Command command)
            throws IOException {
        long id = request.id();
        try {
            return command.waits() ? await(id, command) : carryOut(id, command);
        } catch (Refused e) {
            output.refusal(id, e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            output.refusal(id, Refused.serviceEnds());
        } catch (RuntimeException | Error e) {
            log.error("the command '{}' failed: this is a bug", request.verb(), e);
            output.error(id, FAILED, "internal error: " + e);
        }
        return null;
    }

    /// Carries out a command, and watches the client meanwhile.
    private ControlReply await(long id, ControlCommands.Command command)
            throws Refused, InterruptedException {
        try (ClientWatch _ = ClientWatch.start(client, lines.space())) {
            return carryOut(id, command);
        }
    }

    private ControlReply carryOut(long id, ControlCommands.Command command)
            throws Refused, InterruptedException {
        return command.work().carryOut(progress -> tellProgress(id, progress));
    }

    /// Tells the client how far the command is. The command goes on even if the client does not take that.
    private void tellProgress(long id, Json.Obj progress) {
        try {
            output.progress(id, progress);
        } catch (IOException e) {
            log.debug("a client has gone: {}", e.toString());
        }
    }

    /// Logs the user that has asked for a change.
    private void tell(ControlRequest request, Verb.Effect effect) {
        String arguments = JsonWriter.line(request.arguments());
        if (effect == Verb.Effect.CHANGES || effect == Verb.Effect.CHANGES_SLOWLY) {
            String told = arguments.substring(0, Math.min(arguments.length(), TOLD));
            log.info("user {} asks: {} {}", user, request.verb(), told);
        } else {
            log.debug("user {} asks: {} {}", user, request.verb(), arguments);
        }
    }
}
