package io.xenemu.core.service;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The operator's end of a running service's [ControlSocket].
public final class ControlClient {
    /// Names the socket where the command line does not.
    public static final String SOCKET_VARIABLE = "XEN_EMU_CONTROL_SOCKET";

    /// Where a daemon's socket is, and is looked for, by default.
    public static final String DEFAULT_SOCKET = "/run/xen-emu/control";

    private static final int PIECE = 4096;

    private ControlClient() {}

    /// The socket that is meant.
    ///
    /// @param socket as the command line has it, or null
    public static Path socket(@Nullable Path socket) {
        return socket != null
                ? socket
                : Path.of(System.getenv().getOrDefault(SOCKET_VARIABLE, DEFAULT_SOCKET));
    }

    /// Has a service carry out one command.
    ///
    /// @param socket of the service
    /// @return what it has to tell
    /// @throws HostException when there is no service, or it refuses, with its reason
    public static List<String> command(Path socket, List<String> words) throws HostException {
        try (SocketChannel channel = send(socket, words)) {
            return reply(channel, socket);
        } catch (IOException e) {
            throw lost(socket, e);
        }
    }

    /// Starts a guest.
    ///
    /// @param paused whether it begins paused
    /// @throws HostException when there is no service, or it refuses, with its reason
    public static void create(Path socket, GuestRequest guest, boolean paused)
            throws HostException {
        List<String> words = new ArrayList<>(List.of("create"));
        if (paused) {
            words.add("paused");
        }
        words.addAll(GuestWords.encode(guest));
        List<String> _ = command(socket, words);
    }

    /// A connection to a guest's console.
    public interface Console {
        /// Connects it until the guest ends or `typed` says so.
        ///
        /// @param typed gives what is typed; less than 0 bytes end the connection
        /// @param printed takes what the guest prints
        void connect(InputStream typed, OutputStream printed) throws HostException;
    }

    /// Connects to the console of a guest.
    ///
    /// @param kind `pv` or `serial`
    /// @throws HostException when there is no service, or no such guest
    public static Console console(Path socket, String kind, String domain) throws HostException {
        try {
            SocketChannel channel = send(socket, List.of("console", kind, domain));
            try {
                List<String> _ = reply(channel, socket);
            } catch (IOException | HostException e) {
                channel.close();
                throw e;
            }
            return (typed, printed) -> relay(channel, typed, printed);
        } catch (IOException e) {
            throw lost(socket, e);
        }
    }

    private static void relay(SocketChannel channel, InputStream typed, OutputStream printed)
            throws HostException {
        Thread typist =
                Thread.ofPlatform()
                        .name("console-in")
                        .daemon()
                        .unstarted(() -> type(typed, channel));
        typist.start();
        ByteBuffer bytes = ByteBuffer.allocate(PIECE);
        try (channel) {
            while (channel.read(bytes) >= 0) {
                printed.write(bytes.array(), 0, bytes.position());
                printed.flush();
                bytes.clear();
            }
        } catch (AsynchronousCloseException e) {
            // The typist has closed it.
        } catch (IOException e) {
            throw new HostException("console: " + e.getMessage(), e);
        }
    }

    private static void type(InputStream typed, SocketChannel channel) {
        byte[] bytes = new byte[PIECE];
        try (channel) {
            for (int count = typed.read(bytes); count >= 0; count = typed.read(bytes)) {
                write(channel, ByteBuffer.wrap(bytes, 0, count));
            }
        } catch (IOException e) {
            // The guest has gone, which the reader sees.
        }
    }

    private static SocketChannel send(Path socket, List<String> words) throws IOException {
        SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(socket));
        try {
            write(channel, UTF_8.encode(ControlWords.encode(words) + '\n'));
            return channel;
        } catch (IOException e) {
            channel.close();
            throw e;
        }
    }

    private static void write(SocketChannel channel, ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
    }

    private static HostException lost(Path socket, IOException e) {
        return new HostException("no service at " + socket + ": " + e.getMessage(), e);
    }

    /// Reads a reply and nothing after it.
    private static List<String> reply(SocketChannel channel, Path socket)
            throws IOException, HostException {
        List<String> rows = new ArrayList<>();
        String line = line(channel);
        while (line != null && !line.isEmpty() && line.charAt(0) == ControlReply.ROW) {
            rows.add(line.substring(1));
            line = line(channel);
        }
        if (line == null) {
            throw new HostException("the service at " + socket + " has ended");
        }
        if (!line.equals(ControlReply.DONE)) {
            throw new HostException(line);
        }
        return rows;
    }

    private static @Nullable String line(SocketChannel channel) throws IOException {
        ByteBuffer one = ByteBuffer.allocate(1);
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        while (channel.read(one) >= 0) {
            byte read = one.get(0);
            one.clear();
            if (read == '\n') {
                return line.toString(UTF_8);
            }
            line.write(read);
        }
        return null;
    }
}
