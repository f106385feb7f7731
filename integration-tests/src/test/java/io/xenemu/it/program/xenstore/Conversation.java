package io.xenemu.it.program.xenstore;

import static io.xenemu.it.program.xenstore.WireMessage.GET_DOMAIN_PATH;
import static io.xenemu.it.program.xenstore.WireMessage.TRANSACTION_END;
import static io.xenemu.it.program.xenstore.WireMessage.TRANSACTION_START;
import static io.xenemu.it.program.xenstore.WireMessage.WATCH_EVENT;

import java.io.EOFException;
import java.io.IOException;
import java.net.SocketException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// The requests of one case to a daemon, and everything that the daemon answers, as lines. In payloads `$` is the
/// case's own directory, which is `$` in the lines again, so that those of different daemons can be compared.
final class Conversation implements AutoCloseable {
    private static final int BARRIER = 0x7fff_ffff;

    private final Path socket;
    private final String directory;
    private final List<String> lines;
    private final String label;
    private final List<Conversation> others = new ArrayList<>();
    private final WireClient client;
    private int requests;

    /// @param directory of the case; `""` for none
    Conversation(Path socket, String directory) throws IOException {
        this(socket, directory, new ArrayList<>(), "");
    }

    private Conversation(Path socket, String directory, List<String> lines, String label)
            throws IOException {
        this.socket = socket;
        this.directory = directory;
        this.lines = lines;
        this.label = label;
        this.client = new WireClient(socket);
    }

    /// The answers so far.
    List<String> lines() {
        return lines;
    }

    /// Another connection to the same daemon.
    Conversation other() throws IOException {
        Conversation other = new Conversation(socket, directory, lines, others.size() + 2 + ": ");
        others.add(other);
        return other;
    }

    /// Asks outside of transactions; notes the answer and the events before it.
    String ask(int type, String payload) throws IOException {
        return ask(0, type, payload);
    }

    /// Asks within a transaction.
    ///
    /// @return the reply's payload
    String ask(int transaction, int type, String payload) throws IOException {
        WireMessage reply = call(transaction, type, payload);
        note(reply.shown());
        return reply.payload();
    }

    /// Asks, and notes nothing but an error.
    ///
    /// @return the reply's payload
    String prepare(int type, String payload) throws IOException {
        WireMessage reply = call(0, type, payload);
        if (reply.type() == WireMessage.ERROR) {
            note(reply.shown());
        }
        return reply.payload();
    }

    private WireMessage call(int transaction, int type, String payload) throws IOException {
        int id = ++requests;
        client.send(new WireMessage(type, id, transaction, payload.replace("$", directory)));
        return replyTo(id);
    }

    private WireMessage replyTo(int id) throws IOException {
        while (true) {
            WireMessage message = client.receive();
            if (message.type() != WATCH_EVENT) {
                if (message.requestId() != id) {
                    note("reply to another request: " + message);
                }
                return message;
            }
            note(message.shown());
        }
    }

    /// Starts a transaction.
    ///
    /// @return its id
    int begin() throws IOException {
        String id = call(0, TRANSACTION_START, "\0").payload();
        return Integer.parseUnsignedInt(id.substring(0, id.length() - 1));
    }

    /// Ends a transaction, and notes how.
    void commit(int transaction) throws IOException {
        ask(transaction, TRANSACTION_END, "T\0");
    }

    /// Notes the events that have come by now: all those of changes that have been answered, on whatever connection.
    void events() throws IOException {
        client.send(new WireMessage(GET_DOMAIN_PATH, BARRIER, 0, "0\0"));
        WireMessage barrier = replyTo(BARRIER);
        if (barrier.type() != GET_DOMAIN_PATH) {
            note("barrier: " + barrier.shown());
        }
    }

    /// Sends a message whose header announces `length`, and notes what comes of it.
    void malformed(int type, String payload, int length) throws IOException {
        int id = ++requests;
        client.send(new WireMessage(type, id, 0, payload), length);
        try {
            note(replyTo(id).shown());
        } catch (EOFException | SocketException e) {
            // Reset, if it was closed with something left unread.
            note("connection closed");
        }
    }

    /// Notes what has been found in an answer.
    void note(String line) {
        lines.add(label + (directory.isEmpty() ? line : line.replace(directory, "$")));
    }

    @Override
    public void close() throws IOException {
        for (Conversation other : others) {
            other.close();
        }
        client.close();
    }
}
