package io.xenemu.core.control;

import java.io.IOException;
import java.nio.channels.SocketChannel;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What a request on the control socket gets: rows to be shown, and then [#DONE], or `error: ` and a reason.
///
/// @param rows each a line
/// @param status the last line
/// @param session takes the connection over after that, or null
public record ControlReply(List<String> rows, String status, @Nullable Session session) {
    /// What the service says first on each connection: who it is, and the version of what may be said.
    static final String GREETING = "xen-emu control protocol " + ControlReply.VERSION;

    /// Goes up when a client of before would misunderstand.
    static final int VERSION = 1;

    /// The status of what has been done.
    static final String DONE = "ok";

    /// What a row begins with, and no status does.
    static final char ROW = '|';

    static final String ERROR = "error: ";

    /// A connection that is no longer for requests.
    public interface Session {
        /// Serves it to its end.
        void serve(SocketChannel client) throws IOException;
    }

    static ControlReply done() {
        return new ControlReply(List.of(), DONE, null);
    }

    static ControlReply rows(List<String> rows) {
        return new ControlReply(rows, DONE, null);
    }

    public static ControlReply session(Session session) {
        return new ControlReply(List.of(), DONE, session);
    }

    static ControlReply error(String reason) {
        return new ControlReply(List.of(), ERROR + reason, null);
    }

    /// As it is sent.
    String text() {
        StringBuilder text = new StringBuilder();
        for (String row : rows) {
            text.append(ROW).append(line(row));
        }
        return text.append(line(status)).toString();
    }

    private static String line(String text) {
        return text.replace('\n', ' ') + '\n';
    }
}
