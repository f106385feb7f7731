package io.xenemu.core.service;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.BufferedReader;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/// The operator's end of a running service's [ControlSocket].
public final class ControlClient {
    /// Names the socket where the command line does not.
    public static final String SOCKET_VARIABLE = "XEN_EMU_CONTROL_SOCKET";

    private ControlClient() {}

    /// Has a service carry out one command.
    ///
    /// @param socket of the service; null for the one that the environment names
    /// @throws HostException when there is no service, or it refuses, with its reason
    public static void command(@Nullable Path socket, String line) throws HostException {
        Path path = socket == null ? fromEnvironment() : socket;
        if (line.indexOf('\n') >= 0) {
            throw new HostException("a command is one line");
        }
        String reply;
        try (SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(path))) {
            ByteBuffer request = UTF_8.encode(line + '\n');
            while (request.hasRemaining()) {
                channel.write(request);
            }
            reply = new BufferedReader(Channels.newReader(channel, UTF_8)).readLine();
        } catch (IOException e) {
            throw new HostException("no service at " + path + ": " + e.getMessage(), e);
        }
        if (reply == null) {
            throw new HostException("the service at " + path + " has ended");
        }
        if (!reply.equals(OperatorCommands.DONE)) {
            throw new HostException(reply);
        }
    }

    private static Path fromEnvironment() throws HostException {
        String path = System.getenv(SOCKET_VARIABLE);
        if (path == null) {
            throw new HostException(
                    "which service? Name its control socket with --socket or " + SOCKET_VARIABLE);
        }
        return Path.of(path);
    }
}
