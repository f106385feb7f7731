package io.xenemu.core.control;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.xenemu.core.hypervisor.HostException;
import io.xenemu.kvm.abi.IoReason;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A connection to a [ControlSocket] that has greeted. Whatever listens, and whatever it says, nothing waits for it without a
/// limit.
public final class ControlConnection implements AutoCloseable {
    /// Bytes of a line that is read; what a service tells of a guest is far shorter.
    private static final int MAX_LINE = 1 << 20;

    /// How much is shown of what another service says.
    private static final int SHOWN = 60;

    private static final String GREETING = "xen-emu control protocol ";

    private final SocketChannel channel;
    private final Path socket;

    private ControlConnection(SocketChannel channel, Path socket) {
        this.channel = channel;
        this.socket = socket;
    }

    /// Connects, and waits for the greeting.
    ///
    /// @throws HostException if nobody listens, or it is no service of this program and version, or it says nothing in time
    static ControlConnection open(Path socket, Duration limit) throws HostException {
        try {
            ControlConnection connection =
                    new ControlConnection(SocketChannel.open(StandardProtocolFamily.UNIX), socket);
            try {
                connection.greet(limit);
                return connection;
            } catch (HostException e) {
                connection.close();
                throw e;
            }
        } catch (IOException e) {
            throw new HostException("no service at " + socket + ": " + IoReason.of(e), e);
        }
    }

    private void greet(Duration limit) throws HostException {
        SocketDeadline deadline = SocketDeadline.of(channel, limit);
        try (deadline) {
            channel.connect(UnixDomainSocketAddress.of(socket));
            check(line());
        } catch (IOException e) {
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

    private void check(@Nullable String greeting) throws HostException {
        if (greeting == null) {
            throw new HostException("what listens at " + socket + " ends the connection at once");
        }
        if (greeting.equals(ControlReply.GREETING)) {
            return;
        }
        if (greeting.startsWith(ControlReply.ERROR)) {
            throw new HostException(withoutPrefix(greeting));
        }
        throw new HostException(
                greeting.startsWith(GREETING)
                        ? "the service at "
                                + socket
                                + " speaks version "
                                + shown(greeting.substring(GREETING.length()))
                                + " of the control protocol, this xen-emu version "
                                + ControlReply.VERSION
                        : "what listens at "
                                + socket
                                + " is no service of xen-emu's: it says '"
                                + shown(greeting)
                                + "'");
    }

    private static String withoutPrefix(String line) {
        return line.startsWith(ControlReply.ERROR)
                ? line.substring(ControlReply.ERROR.length())
                : line;
    }

    private static String shown(String text) {
        return text.substring(0, Math.min(text.length(), SHOWN)).replaceAll("\\p{Cntrl}", "?");
    }

    /// Has a request carried out.
    ///
    /// @param limit for the reply, or null for none
    /// @return the rows of the reply
    /// @throws HostException if the service refuses, or ends, or does not reply in time
    List<String> request(List<String> words, @Nullable Duration limit) throws HostException {
        SocketDeadline deadline = SocketDeadline.of(channel, limit);
        try (deadline) {
            ByteBuffer bytes = UTF_8.encode(ControlWords.encode(words) + '\n');
            while (bytes.hasRemaining()) {
                channel.write(bytes);
            }
            return reply();
        } catch (IOException e) {
            throw deadline.passed() && limit != null
                    ? new HostException(
                            "the service at "
                                    + socket
                                    + " has not answered within "
                                    + limit.toSeconds()
                                    + " s, and may still do what was asked",
                            e)
                    : new HostException("the service at " + socket + ": " + IoReason.of(e), e);
        }
    }

    /// Reads a reply and nothing after it.
    private List<String> reply() throws IOException, HostException {
        List<String> rows = new ArrayList<>();
        String line = line();
        while (line != null && !line.isEmpty() && line.charAt(0) == ControlReply.ROW) {
            rows.add(line.substring(1));
            line = line();
        }
        if (line == null) {
            throw new HostException("the service at " + socket + " has ended");
        }
        if (!line.equals(ControlReply.DONE)) {
            throw new HostException(withoutPrefix(line));
        }
        return rows;
    }

    private @Nullable String line() throws IOException {
        ByteBuffer one = ByteBuffer.allocate(1);
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        while (channel.read(one) >= 0) {
            byte read = one.get(0);
            one.clear();
            if (read == '\n') {
                return line.toString(UTF_8);
            }
            if (line.size() == MAX_LINE) {
                throw new IOException("a line of more than " + MAX_LINE + " bytes");
            }
            line.write(read);
        }
        return null;
    }

    /// The connection, for a console.
    SocketChannel channel() {
        return channel;
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
