package io.xenemu.core.control;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.xenemu.core.hypervisor.HostException;
import io.xenemu.kvm.socket.UnixListener;
import io.xenemu.kvm.testing.Eventually;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PipedInputStream;
import java.io.PipedOutputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.FutureTask;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Clients of a service whose next version takes its place.
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class NextVersionTest {
    private static final String RESULT = "{\"id\": 1, \"result\": {}}\n";

    @TempDir private Path folder = Path.of("");

    private Path path() {
        return folder.resolve("control");
    }

    /// One session of a service, of some process.
    private static final class Session implements AutoCloseable {
        private final SocketChannel channel;
        private final BufferedReader typed;

        Session(UnixListener service, int process) throws IOException {
            channel = service.channel().accept();
            typed = new BufferedReader(Channels.newReader(channel, UTF_8));
            send(TestClient.greeting(process) + "\n");
        }

        /// Answers the request that begins the session.
        Session begun(String verb) throws Exception {
            assertEquals(verb, verb(line()));
            send(RESULT);
            return this;
        }

        String verb(String request) throws Exception {
            return ControlRequest.read(request).verb();
        }

        String line() throws IOException {
            return String.valueOf(typed.readLine());
        }

        void send(String text) throws IOException {
            ByteBuffer bytes = UTF_8.encode(text);
            while (bytes.hasRemaining()) {
                channel.write(bytes);
            }
        }

        void end() throws IOException {
            channel.close();
        }

        @Override
        public void close() throws IOException {
            end();
        }
    }

    /// An operator at a console.
    private final class Operator implements AutoCloseable {
        final PipedOutputStream keys = new PipedOutputStream();
        final ByteArrayOutputStream screen = new ByteArrayOutputStream();
        final FutureTask<@Nullable Void> console =
                new FutureTask<>(() -> {
                    ControlClient.console(path(), "pv", "web")
                            .connect(new PipedInputStream(keys), screen);
                    return null;
                });

        Operator() {
            Thread.ofPlatform().daemon().start(console);
        }

        void type(String line) throws IOException {
            keys.write((line + "\n").getBytes(UTF_8));
            keys.flush();
        }

        void awaitScreen(String text) {
            Eventually.holds("it shows " + text, () -> screen.toString(UTF_8).equals(text));
        }

        @Override
        public void close() throws IOException {
            keys.close();
        }
    }

    @Test
    void consoleGoesOnThere() throws Exception {
        try (UnixListener old = UnixListener.bind(path());
                Operator operator = new Operator()) {
            try (Session session = new Session(old, 1).begun("console")) {
                session.send("one ");
                operator.awaitScreen("one ");
                operator.type("first");
                assertEquals("first", session.line());
                session.send("two ");
                try (UnixListener next = UnixListener.prepare(path()).publish()) {
                    session.end();
                    try (Session gone = new Session(next, 2).begun("console")) {
                        operator.type("second");
                        assertEquals("second", gone.line());
                        gone.send("three");
                        operator.awaitScreen("one two three");
                    }
                    // The guest ends: the next version goes on without it.
                    try (Session asked = new Session(next, 2)) {
                        assertNull(operator.console.get());
                        asked.send("");
                    }
                }
            }
        }
    }

    @Test
    void inputThatTheOldOneTakesNoMoreGoesThere() throws Exception {
        try (UnixListener old = UnixListener.bind(path());
                Operator operator = new Operator()) {
            try (Session session = new Session(old, 1).begun("console");
                    UnixListener next = UnixListener.prepare(path()).publish()) {
                session.end();
                try (Session waiting = new Session(next, 2)) {
                    operator.type("typed meanwhile");
                    try (Session here = waiting.begun("console")) {
                        operator.type("and later");
                        String line = here.line();
                        // The first line may have been sent before the old one's end was seen.
                        if (line.equals("typed meanwhile")) {
                            line = here.line();
                        }
                        assertEquals("and later", line);
                    }
                }
            }
        }
    }

    @Test
    void consoleOfAGuestThatHasGoneEnds() throws Exception {
        try (UnixListener old = UnixListener.bind(path());
                Operator operator = new Operator()) {
            try (Session session = new Session(old, 1).begun("console");
                    UnixListener next = UnixListener.prepare(path()).publish()) {
                session.end();
                try (Session asked = new Session(next, 2)) {
                    assertEquals("console", asked.verb(asked.line()));
                    asked.send(
                            "{\"id\": 1, \"error\": {\"type\": \"no-such-domain\", \"message\": \"none\"}}\n");
                    assertNull(operator.console.get());
                }
            }
        }
    }

    @Test
    void eventsGoOnThere() throws Exception {
        List<String> events = new ArrayList<>();
        FutureTask<@Nullable Void> reader =
                new FutureTask<>(() -> {
                    ControlClient.events(path(), events::add);
                    return null;
                });
        try (UnixListener old = UnixListener.bind(path())) {
            Thread.ofPlatform().daemon().start(reader);
            try (Session session = new Session(old, 1).begun("events");
                    UnixListener next = UnixListener.prepare(path()).publish()) {
                session.send("{\"event\": {\"type\": \"paused\"}}\n");
                session.end();
                try (Session here = new Session(next, 2).begun("events")) {
                    here.send("{\"event\": {\"type\": \"exists\"}}\n");
                }
                try (Session again = new Session(next, 2)) {
                    assertNull(reader.get());
                    again.send("");
                }
            }
        }
        assertEquals(List.of("{\"type\": \"paused\"}", "{\"type\": \"exists\"}"), events);
    }

    /// It waits for a greeting of the old one, which ends, and finds the next one.
    @Test
    void clientThatComesWhileAServiceLeavesIsServedByTheNextOne() throws Exception {
        ControlSocket old = ControlSocket.open(path(), null, TestCommands.ECHO);
        old.leave();
        TestClient ungreeted = TestClient.ungreeted(path());
        FutureTask<List<String>> answer =
                new FutureTask<>(() -> ControlClient.command(path(), List.of("echo", "hello")));
        Thread client = Thread.ofPlatform().daemon().start(answer);
        try (ControlSocket _ =
                ControlSocket.open(
                        UnixListener.prepare(path()).publish(), null, TestCommands.ECHO)) {
            old.close();
            assertEquals("", said(ungreeted));
            assertEquals(ControlClient.command(path(), List.of("echo", "hello")), answer.get());
            client.join();
        }
    }

    /// What a client is told before its connection ends or is reset.
    private static String said(TestClient client) {
        try (client) {
            String line = client.line();
            return line == null ? "" : line;
        } catch (IOException e) {
            return "";
        }
    }

    @Test
    void serviceThatEndsEachConnectionIsReported() throws Exception {
        try (UnixListener listener = UnixListener.bind(path())) {
            Thread _ =
                    Thread.ofPlatform()
                            .daemon()
                            .start(() -> {
                                try {
                                    listener.channel().accept().close();
                                    listener.channel().accept().close();
                                } catch (IOException e) {
                                    throw new UncheckedIOException(e);
                                }
                            });
            assertEquals(
                    "no service at " + path() + ": the process there ends the connection at once",
                    assertThrows(
                                    HostException.class,
                                    () -> ControlClient.command(path(), List.of("list")))
                            .getMessage());
        }
    }
}
