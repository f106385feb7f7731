package io.xenemu.core.control;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.xenemu.core.hypervisor.HostException;
import io.xenemu.core.json.Json;
import io.xenemu.core.json.JsonException;
import io.xenemu.core.json.JsonReader;
import io.xenemu.core.json.JsonWriter;
import io.xenemu.kvm.abi.IoReason;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.SocketException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A client's connection to a [ControlSocket], after the greeting. Every wait has a limit, whatever program listens
/// there and whatever it sends.
public final class ControlConnection implements AutoCloseable {
    /// The most characters that are shown of another service's answer.
    private static final int SHOWN = 60;

    private static final int PIECE = 8192;

    private final SocketChannel channel;
    private final Path socket;

    /// Bytes that have been received and not read yet.
    private final ByteBuffer received = ByteBuffer.allocate(PIECE).limit(0);

    private long requests;

    /// The id of the service's process; 0 if it does not tell.
    private long process;

    private ControlConnection(SocketChannel channel, Path socket) {
        this.channel = channel;
        this.socket = socket;
    }

    /// Connects, and waits for the greeting.
    ///
    /// @throws HostException if no process listens, or it is no service of this program and protocol, or it sends no
    ///     greeting in time
    static ControlConnection open(Path socket, Duration limit) throws HostException {
        ControlConnection connection = tried(socket, limit);
        // A service that hands over to its next version ends without a greeting. The next one is
        // there then.
        ControlConnection again = connection == null ? tried(socket, limit) : connection;
        if (again == null) {
            throw new HostException(
                    "no service at " + socket + ": the process there ends the connection at once");
        }
        return again;
    }

    /// @return null if the connection has ended without a greeting
    private static @Nullable ControlConnection tried(Path socket, Duration limit)
            throws HostException {
        try {
            ControlConnection connection =
                    new ControlConnection(SocketChannel.open(StandardProtocolFamily.UNIX), socket);
            boolean greeted = false;
            try {
                greeted = connection.greet(limit);
                return greeted ? connection : null;
            } finally {
                if (!greeted) {
                    connection.close();
                }
            }
        } catch (IOException e) {
            throw new HostException("no service at " + socket + ": " + IoReason.of(e), e);
        }
    }

    /// @return false if the connection has ended without a greeting
    private boolean greet(Duration limit) throws HostException {
        SocketDeadline deadline = SocketDeadline.of(channel, limit);
        try (deadline) {
            channel.connect(UnixDomainSocketAddress.of(socket));
            String greeting = line();
            if (greeting == null) {
                return false;
            }
            check(greeting);
            return true;
        } catch (IOException e) {
            if (e instanceof SocketException && channel.isConnected()) {
                return false; // reset
            }
            throw deadline.passed()
                    ? new HostException(
                            "no answer at "
                                    + socket
                                    + " within "
                                    + limit.toSeconds()
                                    + " s: the service is stopped, or it is not one of xen-emu's",
                            e)
                    : new HostException("no service at " + socket + ": " + IoReason.of(e), e);
        }
    }

    private void check(String greeting) throws HostException {
        if (greeting.startsWith(ControlProtocol.OLD_GREETING)) {
            throw otherVersion(greeting.substring(ControlProtocol.OLD_GREETING.length()));
        }
        if (greeting.startsWith(ControlProtocol.OLD_ERROR)) {
            throw new HostException(greeting.substring(ControlProtocol.OLD_ERROR.length()));
        }
        Json.Obj said = object(greeting);
        if (said.find(ControlProtocol.ERROR) instanceof Json.Obj error) {
            throw refusal(error);
        }
        if (!(said.find(ControlProtocol.GREETING) instanceof Json.Obj service)
                || !(service.find(ControlProtocol.PROTOCOL) instanceof Json.Int(var version))) {
            throw notOurs(greeting);
        }
        if (version != ControlProtocol.VERSION) {
            throw otherVersion(Long.toString(version));
        }
        if (service.find(ControlProtocol.PROCESS) instanceof Json.Int(var id)) {
            process = id;
        }
    }

    /// Whether it leads to another process than an earlier connection: the next version of the service.
    boolean isOfNext(ControlConnection earlier) {
        return process != 0 && earlier.process != 0 && process != earlier.process;
    }

    private HostException otherVersion(String version) {
        return new HostException(
                "the service at "
                        + socket
                        + " speaks version "
                        + shown(version)
                        + " of the control protocol, this xen-emu version "
                        + ControlProtocol.VERSION);
    }

    private HostException notOurs(String line) {
        return new HostException(notOursMessage(line));
    }

    private String notOursMessage(String line) {
        return "what listens at "
                + socket
                + " is no service of xen-emu's: it says '"
                + shown(line)
                + "'";
    }

    private Json.Obj object(String line) throws HostException {
        try {
            if (JsonReader.read(line) instanceof Json.Obj object) {
                return object;
            }
        } catch (JsonException e) {
            throw new HostException(notOursMessage(line), e);
        }
        throw notOurs(line);
    }

    private static HostException refusal(Json.Obj error) {
        String message = error.text(ControlProtocol.MESSAGE);
        return new HostException(message == null ? JsonWriter.line(error) : message);
    }

    private static String shown(String text) {
        return text.substring(0, Math.min(text.length(), SHOWN)).replaceAll("\\p{Cntrl}", "?");
    }

    /// Sends a request, and waits for its result.
    ///
    /// @param arguments a list of words, or an object with the arguments by name
    /// @param limit for the result, or null for none
    /// @return the lines of text for an operator
    /// @throws HostException if the service refuses, or ends, or has no result in time
    List<String> request(String verb, Json arguments, @Nullable Duration limit)
            throws HostException {
        return request(verb, arguments, limit, ControlClient.Progress.IGNORED);
    }

    /// Sends a request, and waits for its result.
    ///
    /// @param arguments a list of words, or an object with the arguments by name
    /// @param limit for the result, or null for none
    /// @param told gets the progress
    /// @return the lines of text for an operator
    /// @throws HostException if the service refuses, or ends, or has no result in time
    List<String> request(
            String verb, Json arguments, @Nullable Duration limit, ControlClient.Progress told)
            throws HostException {
        List<String> text = new ArrayList<>();
        Json _ = answer(verb, arguments, limit, told, text);
        return text;
    }

    /// Sends a request, and waits for its result.
    ///
    /// @param member of the result, a list of objects
    /// @return the objects
    /// @throws HostException if the service refuses, or ends, or has no such result in time
    List<Json.Obj> rows(String verb, Json arguments, String member, Duration limit)
            throws HostException {
        Json answer =
                answer(verb, arguments, limit, ControlClient.Progress.IGNORED, new ArrayList<>());
        if (!(answer instanceof Json.Obj result)
                || !(result.find(member) instanceof Json.Array(var items))) {
            throw notOurs(JsonWriter.line(answer));
        }
        List<Json.Obj> rows = new ArrayList<>();
        for (Json item : items) {
            if (!(item instanceof Json.Obj row)) {
                throw notOurs(JsonWriter.line(item));
            }
            rows.add(row);
        }
        return rows;
    }

    /// @param text gets the lines of text for an operator
    private Json answer(
            String verb,
            Json arguments,
            @Nullable Duration limit,
            ControlClient.Progress told,
            List<String> text)
            throws HostException {
        SocketDeadline deadline = SocketDeadline.of(channel, limit);
        try (deadline) {
            ControlRequest request = new ControlRequest(++requests, verb, arguments);
            ByteBuffer bytes = UTF_8.encode(request.line() + '\n');
            while (bytes.hasRemaining()) {
                channel.write(bytes);
            }
            return result(told, text);
        } catch (IOException e) {
            throw deadline.passed() && limit != null
                    ? new HostException(
                            "the service at "
                                    + socket
                                    + " has not answered within "
                                    + limit.toSeconds()
                                    + " s, and may still do what was asked",
                            e)
                    : failed(e);
        }
    }

    private HostException failed(IOException e) {
        return new HostException("the service at " + socket + ": " + IoReason.of(e), e);
    }

    /// Collects the text until the result. Progress without text is for programs, and is skipped.
    private Json result(ControlClient.Progress told, List<String> text)
            throws IOException, HostException {
        while (true) {
            Json.Obj said = next();
            if (said == null) {
                throw new HostException("the service at " + socket + " has ended");
            }
            if (said.find(ControlProtocol.ERROR) instanceof Json.Obj error) {
                throw refusal(error);
            }
            addText(said.find(ControlProtocol.PROGRESS), text);
            if (said.find(ControlProtocol.PROGRESS) instanceof Json.Obj progress
                    && progress.find("done") instanceof Json.Int(var done)
                    && progress.find("total") instanceof Json.Int(var total)) {
                told.tell(done, total);
            }
            Json result = said.find(ControlProtocol.RESULT);
            if (result != null) {
                addText(result, text);
                return result;
            }
        }
    }

    private static void addText(@Nullable Json answer, List<String> text) {
        if (answer instanceof Json.Obj object
                && object.find(ControlProtocol.TEXT) instanceof Json.Array(var lines)) {
            for (Json line : lines) {
                if (line instanceof Json.Text(var shown)) {
                    text.add(shown);
                }
            }
        }
    }

    /// The next line of the service, without a time limit; null at the end of the connection.
    private Json.@Nullable Obj next() throws IOException, HostException {
        String line = line();
        return line == null ? null : object(line);
    }

    /// Waits for the next event, after the result of `events`.
    ///
    /// @return null when the service has ended
    /// @throws HostException if the service sends no more events
    Json.@Nullable Obj event() throws HostException {
        try {
            for (Json.Obj said = next(); said != null; said = next()) {
                if (said.find(ControlProtocol.ERROR) instanceof Json.Obj error) {
                    throw refusal(error);
                }
                if (said.find(ControlProtocol.EVENT) instanceof Json.Obj event) {
                    return event;
                }
            }
            return null;
        } catch (IOException e) {
            throw failed(e);
        }
    }

    private @Nullable String line() throws IOException {
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        while (received.hasRemaining() || receive()) {
            int start = received.position();
            int end = start;
            while (end < received.limit() && received.get(end) != '\n') {
                end++;
            }
            line.write(received.array(), start, end - start);
            if (line.size() > ControlProtocol.MAX_ANSWER) {
                throw new IOException(
                        "a line of more than " + ControlProtocol.MAX_ANSWER + " bytes");
            }
            if (end < received.limit()) {
                received.position(end + 1);
                return line.toString(UTF_8);
            }
            received.position(end);
        }
        return null;
    }

    private boolean receive() throws IOException {
        received.clear();
        int count = channel.read(received);
        received.flip();
        return count >= 0;
    }

    /// The socket, for a console session.
    SocketChannel channel() {
        return channel;
    }

    /// Bytes that were received after the last answer: the beginning of a console's output.
    byte[] rest() {
        byte[] rest = new byte[received.remaining()];
        received.get(rest);
        return rest;
    }

    @Override
    public void close() {
        try {
            channel.close();
        } catch (IOException e) {
            // Nothing is lost: it has no output of its own.
            return;
        }
    }
}
