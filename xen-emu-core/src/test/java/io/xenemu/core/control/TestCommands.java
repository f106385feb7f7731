package io.xenemu.core.control;

import io.xenemu.core.json.Json;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.util.List;
import java.util.Set;
import java.util.function.Function;

/// Commands of a test: every verb is one. A command whose arguments end with `wait` may wait for guests.
///
/// @param replies the reply to a request's words, with blanks between them
public record TestCommands(Function<String, ControlReply> replies) implements ControlCommands {
    private static final Set<String> SESSIONS =
            Set.of("console", "mirror", "session", "events", "trace");

    /// Commands that answer with the words of the request. A few names have effects of their own.
    static final TestCommands ECHO = new TestCommands(TestCommands::echo);

    @Override
    public Command find(ControlRequest request) {
        StringBuilder words = new StringBuilder(request.verb());
        if (request.arguments() instanceof Json.Array(var arguments)) {
            for (Json argument : arguments) {
                words.append(' ').append(((Json.Text) argument).value());
            }
        }
        return new Command(
                SESSIONS.contains(request.verb()) ? Verb.Effect.SESSION : Verb.Effect.CHANGES,
                words.toString().endsWith(" wait"),
                progress -> {
                    if (request.verb().equals("far")) {
                        progress.tell(Json.EMPTY.with("percent", 50));
                    }
                    return replies.apply(words.toString());
                });
    }

    static ControlReply echo(String words) {
        return switch (words) {
            case "fail" -> throw new IllegalStateException("of\nthe command");
            case "heap" -> throw new OutOfMemoryError("of a test");
            case "session" ->
                    ControlReply.session(_ -> {
                        throw new OutOfMemoryError("of a session");
                    });
            case "ok" -> ControlReply.done();
            case "rows" -> ControlReply.rows(List.of("1", "", "of\ntwo"));
            case "mirror", "console pv mirror" -> ControlReply.session(TestCommands::mirror);
            default -> ControlReply.rows(List.of("<" + words + ">"));
        };
    }

    private static void mirror(SocketChannel client) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(16);
        while (client.read(bytes) >= 0) {
            bytes.flip();
            client.write(bytes);
            bytes.clear();
        }
    }
}
