package io.xenemu.core.control;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.xenemu.core.json.Json;
import io.xenemu.core.json.JsonWriter;
import io.xenemu.core.toolstack.Refused;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.List;

/// Writes the service's lines to one client: see [ControlProtocol]. One thread at a time uses it. A client that does
/// not read is cut off after a time limit.
final class ControlOutput {
    private final SocketChannel client;
    private final Duration limit;

    /// @param limit time for a client to read one line
    ControlOutput(SocketChannel client, Duration limit) {
        this.client = client;
        this.limit = limit;
    }

    void greeting() throws IOException {
        line(ControlProtocol.greeting());
    }

    /// An error about the connection.
    void error(String type, String message) throws IOException {
        line(ControlProtocol.error(type, message));
    }

    /// A refusal without a request's id.
    void refusal(Refused refused) throws IOException {
        error(ControlProtocol.word(refused.kind()), refused.reason());
    }

    void refusal(long id, Refused refused) throws IOException {
        error(id, ControlProtocol.word(refused.kind()), refused.reason());
    }

    void error(long id, String type, String message) throws IOException {
        line(ControlProtocol.error(id, type, message));
    }

    void progress(long id, Json.Obj progress) throws IOException {
        line(ControlProtocol.progress(id, progress));
    }

    /// The result of a command. A long text is sent before it, in parts.
    void result(long id, ControlReply reply) throws IOException {
        List<String> text = reply.text();
        int sent = 0;
        while (text.size() - sent > ControlProtocol.MAX_TEXT) {
            int end = sent + ControlProtocol.MAX_TEXT;
            progress(id, ControlProtocol.text(text.subList(sent, end)));
            sent = end;
        }
        Json.Obj result = reply.data();
        if (!text.isEmpty()) {
            result = result.with(ControlProtocol.TEXT, Json.texts(text.subList(sent, text.size())));
        }
        line(ControlProtocol.result(id, result));
    }

    void event(Json.Obj event) throws IOException {
        line(Json.EMPTY.with(ControlProtocol.EVENT, event));
    }

    /// A line for a client that speaks no JSON.
    void plain(String text) throws IOException {
        write(text + '\n');
    }

    private void line(Json.Obj line) throws IOException {
        write(JsonWriter.line(line) + '\n');
    }

    private void write(String text) throws IOException {
        ByteBuffer bytes = UTF_8.encode(text);
        try (SocketDeadline _ = SocketDeadline.of(client, limit)) {
            while (bytes.hasRemaining()) {
                client.write(bytes);
            }
        }
    }
}
