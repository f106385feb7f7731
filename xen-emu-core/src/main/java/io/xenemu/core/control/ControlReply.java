package io.xenemu.core.control;

import io.xenemu.core.json.Json;
import java.io.IOException;
import java.nio.channels.SocketChannel;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The result of a command on the control socket.
///
/// @param data the result for programs, without the lines in `text`
/// @param text lines for an operator, as the commands print them
/// @param session takes the connection over afterwards, or null
public record ControlReply(Json.Obj data, List<String> text, @Nullable Session session) {
    /// The further use of a connection that is no longer for requests.
    public interface Session {
        /// Serves the connection until it ends.
        void serve(SocketChannel client) throws IOException;
    }

    public ControlReply {
        text = List.copyOf(text);
    }

    static ControlReply done() {
        return new ControlReply(Json.EMPTY, List.of(), null);
    }

    static ControlReply rows(List<String> rows) {
        return new ControlReply(Json.EMPTY, rows, null);
    }

    /// The result of a command that turns its connection into something else.
    public static ControlReply session(Session session) {
        return new ControlReply(Json.EMPTY, List.of(), session);
    }

    /// This reply with one more member for programs.
    ControlReply with(String name, Json value) {
        return new ControlReply(data.with(name, value), text, session);
    }
}
