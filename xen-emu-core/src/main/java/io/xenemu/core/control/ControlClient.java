package io.xenemu.core.control;

import io.xenemu.core.guest.GuestSettings;
import io.xenemu.core.host.HostFacts;
import io.xenemu.core.hypervisor.HostException;
import io.xenemu.core.json.Json;
import io.xenemu.core.json.JsonWriter;
import io.xenemu.kvm.abi.IoReason;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.SequenceInputStream;
import java.nio.channels.Channels;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/// The operator's end of a running service's [ControlSocket].
public final class ControlClient {
    /// The environment variable that names the socket if the command line does not.
    public static final String SOCKET_VARIABLE = "XEN_EMU_CONTROL_SOCKET";

    /// The version of the control protocol.
    public static final int PROTOCOL = ControlProtocol.VERSION;

    /// The version of this program, which a service tells its clients.
    public static final String PROGRAM_VERSION = ControlProtocol.PROGRAM_VERSION;

    /// The property with the commit of the program, which the launcher sets.
    public static final String COMMIT = "xen-emu.commit";

    /// The default path of a daemon's socket, for the daemon and its clients.
    public static final String DEFAULT_SOCKET = "/run/xen-emu/control";

    /// Time limit for the greeting, enough for a service on a busy host. A peer that is silent for longer is stopped,
    /// or is not such a service.
    private static final Duration GREETING_LIMIT = Duration.ofSeconds(10);

    /// Time limit for the result of a command that waits for no guest. The slowest ones detach a device, or deal with
    /// the memory of a large guest.
    private static final Duration REPLY_LIMIT = Duration.ofMinutes(2);

    private ControlClient() {}

    /// The socket of the service that the operator means.
    ///
    /// @param socket the path on the command line, or null
    public static Path socket(@Nullable Path socket) {
        return socket != null
                ? socket
                : Path.of(System.getenv().getOrDefault(SOCKET_VARIABLE, DEFAULT_SOCKET));
    }

    /// Makes a service carry out one command.
    ///
    /// @param socket of the service
    /// @param words the verb and its arguments
    /// @return lines of text for the operator
    /// @throws HostException when there is no service, or it does not answer, or it refuses, with its reason
    public static List<String> command(Path socket, List<String> words) throws HostException {
        return command(socket, words, REPLY_LIMIT, Progress.IGNORED);
    }

    /// Makes a service carry out one command that waits for guests, without a time limit.
    ///
    /// @throws HostException as for [#command]
    public static List<String> patientCommand(Path socket, List<String> words)
            throws HostException {
        return command(socket, words, null, Progress.IGNORED);
    }

    /// Makes a service carry out one command that waits for guests, and tells its progress.
    ///
    /// @param told gets how much is done, and of how much
    /// @return lines of text for the operator
    /// @throws HostException as for [#command]
    public static List<String> toldCommand(Path socket, List<String> words, Progress told)
            throws HostException {
        return command(socket, words, null, told);
    }

    /// The same with a stream of this process as the service's file.
    ///
    /// @param file the word for the file's name, which becomes that of a socket; a flag says so
    /// @param out gets the bytes that the service writes; null to give it those of `in`
    /// @param in is not closed
    /// @return lines of text for the operator
    public static List<String> streamed(
            Path socket,
            List<String> words,
            int file,
            InputStream in,
            @Nullable OutputStream out,
            Progress told)
            throws HostException {
        ClientStream stream = out == null ? ClientStream.from(in) : ClientStream.to(out);
        try (stream) {
            List<String> all = new ArrayList<>(words);
            all.set(file, stream.path().toString());
            return toldCommand(socket, all, told);
        } catch (HostException e) {
            // A reader that has gone is the reason for the service's failure.
            IOException failure = out == null ? null : stream.failure();
            throw failure == null
                    ? e
                    : new HostException("standard output: " + IoReason.of(failure), e);
        }
    }

    /// Makes a service carry out one command over a connection of this process.
    ///
    /// @param words to which the name of a socket is added, by which the service reaches the connection
    /// @param in what the other end sends; is not closed
    /// @param out what it gets; is not closed
    /// @return lines of text for the operator
    public static List<String> linked(
            Path socket, List<String> words, InputStream in, OutputStream out)
            throws HostException {
        return linked(socket, words, List.of(new Link(in, out)));
    }

    /// A connection to another host.
    ///
    /// @param in what the other host sends
    /// @param out what it gets
    public record Link(InputStream in, OutputStream out) {}

    /// As [#linked], over several connections.
    ///
    /// @param links the first one is the main one
    public static List<String> linked(Path socket, List<String> words, List<Link> links)
            throws HostException {
        List<String> all = new ArrayList<>(words);
        List<ClientStream> streams = new ArrayList<>();
        try {
            for (Link link : links) {
                ClientStream stream = ClientStream.both(link.in(), link.out());
                all.add((streams.isEmpty() ? "socket=" : "stream=") + stream.path());
                streams.add(stream);
            }
            return toldCommand(socket, all, Progress.IGNORED);
        } finally {
            streams.forEach(ClientStream::close);
        }
    }

    /// Gets the progress of a command.
    @FunctionalInterface
    public interface Progress {
        /// Is told, and does nothing.
        Progress IGNORED = (_, _) -> {};

        /// Tells how far it is.
        ///
        /// @param done how much is done
        /// @param total all; 0 before it is known
        void tell(long done, long total);
    }

    private static List<String> command(
            Path socket, List<String> words, @Nullable Duration limit, Progress told)
            throws HostException {
        try (ControlConnection connection = ControlConnection.open(socket, GREETING_LIMIT)) {
            Json arguments = Json.texts(words.subList(1, words.size()));
            return connection.request(words.getFirst(), arguments, limit, told);
        }
    }

    /// The names of all guests of a daemon, those in one list that can only move together.
    ///
    /// @throws HostException when there is no daemon, or it does not answer
    public static List<List<String>> groups(Path socket) throws HostException {
        List<List<String>> groups = new ArrayList<>();
        try (ControlConnection connection = ControlConnection.open(socket, GREETING_LIMIT)) {
            for (Json.Obj row :
                    connection.rows("migrate-groups", Json.EMPTY, "groups", REPLY_LIMIT)) {
                List<String> group = new ArrayList<>();
                if (row.find("guests") instanceof Json.Array(var names)) {
                    for (Json name : names) {
                        if (name instanceof Json.Text(var text)) {
                            group.add(text);
                        }
                    }
                }
                groups.add(group);
            }
        }
        return groups;
    }

    /// The domains of a service.
    ///
    /// @param named names or ids; none for all domains
    /// @throws HostException when there is no service, or no such domain
    public static List<DomainRow> domains(Path socket, List<String> named) throws HostException {
        List<DomainRow> rows = new ArrayList<>();
        List<Json> requests =
                named.isEmpty()
                        ? List.of(Json.EMPTY)
                        : named.stream().<Json>map(name -> Json.texts(List.of(name))).toList();
        try (ControlConnection connection = ControlConnection.open(socket, GREETING_LIMIT)) {
            for (Json request : requests) {
                connection.rows("list", request, "domains", REPLY_LIMIT).stream()
                        .map(DomainRow::of)
                        .forEach(rows::add);
            }
        }
        return rows;
    }

    /// What domains use, again and again over one connection.
    ///
    /// @param reader gets each table, and tells whether there is to be another one
    /// @throws HostException when there is no service, or it ends
    public static void top(Path socket, Predicate<TopTable> reader) throws HostException {
        long memory = HostFacts.ofThisHost().memoryKib();
        try (ControlConnection connection = ControlConnection.open(socket, GREETING_LIMIT)) {
            boolean more = true;
            while (more) {
                List<Json.Obj> rows = connection.rows("top", Json.EMPTY, "domains", REPLY_LIMIT);
                more = reader.test(TopTable.of(rows, memory, System.nanoTime()));
            }
        }
    }

    /// The rows of an answer for programs.
    ///
    /// @param words the verb and its arguments
    /// @param member of the answer, which is a list of objects
    /// @throws HostException when there is no service, or it refuses, or has no such answer
    public static List<Json.Obj> rows(Path socket, List<String> words, String member)
            throws HostException {
        try (ControlConnection connection = ControlConnection.open(socket, GREETING_LIMIT)) {
            Json arguments = Json.texts(words.subList(1, words.size()));
            return connection.rows(words.getFirst(), arguments, member, REPLY_LIMIT);
        }
    }

    /// Starts a guest.
    ///
    /// @param paused whether it begins paused
    /// @throws HostException when there is no service, or it refuses, with its reason
    public static void create(Path socket, GuestSettings guest, boolean paused)
            throws HostException {
        List<String> words = new ArrayList<>(List.of("create"));
        if (paused) {
            words.add("paused");
        }
        words.addAll(guest.words());
        List<String> _ = command(socket, words);
    }

    /// Reads the events of domains, until the service ends. At its next version they go on as they begin, with the
    /// guests that there are.
    ///
    /// @param reader gets each event as one line of JSON
    /// @throws HostException when there is no service, or it sends no more
    public static void events(Path socket, Consumer<String> reader) throws HostException {
        ControlConnection next = ControlConnection.open(socket, GREETING_LIMIT);
        while (next != null) {
            ControlConnection current = begun(next, "events", Json.EMPTY);
            try (current) {
                for (Json.Obj event = current.event(); event != null; event = current.event()) {
                    reader.accept(JsonWriter.line(event));
                }
            }
            next = next(socket, current);
        }
    }

    /// Makes the service carry out the verb that a connection is for, after which it is the verb's own.
    ///
    /// @return the connection, which is closed if that fails
    private static ControlConnection begun(
            ControlConnection connection, String verb, Json arguments) throws HostException {
        boolean begun = false;
        try {
            List<String> _ = connection.request(verb, arguments, REPLY_LIMIT);
            begun = true;
            return connection;
        } finally {
            if (!begun) {
                connection.close();
            }
        }
    }

    /// A connection to the next version of a service, when one to the service itself has ended.
    ///
    /// @return null if there is none: the service goes on, or has ended
    static @Nullable ControlConnection next(Path socket, ControlConnection ended) {
        try {
            ControlConnection next = ControlConnection.open(socket, GREETING_LIMIT);
            if (next.isOfNext(ended)) {
                return next;
            }
            next.close();
        } catch (HostException e) {
            // No service is there.
            return null;
        }
        return null;
    }

    /// Begins a trace of a guest's hypercalls.
    ///
    /// @param filter names of hypercalls, with commas between them; null for all
    /// @return the trace, in the format of its file; closing it ends the recording
    /// @throws HostException when there is no service, or no such guest, or it cannot be traced
    public static InputStream trace(Path socket, String domain, @Nullable String filter)
            throws HostException {
        List<String> words = filter == null ? List.of(domain) : List.of(domain, filter);
        ControlConnection connection =
                begun(ControlConnection.open(socket, GREETING_LIMIT), "trace", Json.texts(words));
        return new SequenceInputStream(
                new ByteArrayInputStream(connection.rest()),
                Channels.newInputStream(connection.channel()));
    }

    /// A connection to a guest's console.
    public interface Console {
        /// Connects the streams to the console until the guest ends or `typed` ends.
        ///
        /// @param typed gives typed input; less than 0 bytes end the connection
        /// @param printed takes the guest's output
        void connect(InputStream typed, OutputStream printed) throws HostException;
    }

    /// Connects to the console of a guest. It goes on at the next version of the service.
    ///
    /// @param kind `pv` or `serial`
    /// @throws HostException when there is no service, or no such guest
    public static Console console(Path socket, String kind, String domain) throws HostException {
        Json arguments = Json.texts(List.of(kind, domain));
        ControlConnection connection =
                begun(ControlConnection.open(socket, GREETING_LIMIT), "console", arguments);
        return new ConsoleRelay(
                connection,
                ended -> {
                    ControlConnection next = next(socket, ended);
                    try {
                        return next == null ? null : begun(next, "console", arguments);
                    } catch (HostException e) {
                        // The guest has gone with the service.
                        return null;
                    }
                });
    }
}
