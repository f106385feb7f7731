package io.xenemu.core.control;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.json.Json;
import io.xenemu.core.json.JsonReader;
import java.io.BufferedReader;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A client of a control socket that speaks the protocol's lines as they are written.
final class TestClient implements AutoCloseable {
    static final String GREETING = greeting(ProcessHandle.current().pid());

    private final SocketChannel channel;
    private final BufferedReader lines;

    private TestClient(Path socket) throws IOException {
        channel = SocketChannel.open(UnixDomainSocketAddress.of(socket));
        lines = new BufferedReader(Channels.newReader(channel, UTF_8));
    }

    /// The greeting of a service in a process.
    static String greeting(long process) {
        return "{\"xen-emu\": {\"protocol\": 2, \"version\": \"0.1\", \"process\": %d}}"
                .formatted(process);
    }

    /// A client that has read the greeting.
    static TestClient of(Path socket) throws IOException {
        TestClient client = ungreeted(socket);
        assertEquals(GREETING, client.line());
        return client;
    }

    /// A client that has read nothing yet.
    static TestClient ungreeted(Path socket) throws IOException {
        return new TestClient(socket);
    }

    /// Sends text as it is.
    void send(String text) throws IOException {
        ByteBuffer bytes = UTF_8.encode(text);
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
    }

    /// Sends bytes, a character each.
    void sendBytes(String bytes) throws IOException {
        sendBytes(channel, bytes);
    }

    /// Sends bytes on any channel, a character each.
    static void sendBytes(SocketChannel channel, String bytes) throws IOException {
        ByteBuffer left = ISO_8859_1.encode(bytes);
        while (left.hasRemaining()) {
            channel.write(left);
        }
    }

    /// Reads one character, and waits for it.
    int read() throws IOException {
        return lines.read();
    }

    /// Sends a request with id 1.
    void ask(String verb, String... arguments) throws IOException {
        send(request(verb, arguments) + '\n');
    }

    /// The line of a request with id 1.
    static String request(String verb, String... arguments) {
        return new ControlRequest(1, verb, Json.texts(List.of(arguments))).line();
    }

    /// The next request of a client of [TestCommands#ECHO] is served.
    void assertServed() throws Exception {
        ask("next");
        assertEquals(List.of("<next>"), text());
    }

    /// A line is refused as no request, and the next request is served.
    void assertNoRequest(String line) throws Exception {
        send(line + "\n");
        String error = error();
        assertTrue(error.startsWith("malformed: not a request: "), error);
        assertServed();
    }

    /// The next line; null at the end.
    @Nullable String line() throws IOException {
        return lines.readLine();
    }

    /// The text of the next line, which is the result of request 1.
    List<String> text() throws Exception {
        Json.Obj result = result();
        return result.find("text") instanceof Json.Array(var texts)
                ? texts.stream().map(text -> ((Json.Text) text).value()).toList()
                : List.of();
    }

    /// The next line, which is the result of request 1.
    Json.Obj result() throws Exception {
        String line = String.valueOf(line());
        Json.Obj said = (Json.Obj) JsonReader.read(line);
        assertEquals(new Json.Int(1), said.find("id"), line);
        if (said.find("result") instanceof Json.Obj result) {
            return result;
        }
        throw new AssertionError(line);
    }

    /// `TYPE: MESSAGE` of the next line, which is an error.
    String error() throws Exception {
        String line = String.valueOf(line());
        if (((Json.Obj) JsonReader.read(line)).find("error") instanceof Json.Obj error) {
            return error.text("type") + ": " + error.text("message");
        }
        throw new AssertionError(line);
    }

    /// Sends no more.
    void endInput() throws IOException {
        channel.shutdownOutput();
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
