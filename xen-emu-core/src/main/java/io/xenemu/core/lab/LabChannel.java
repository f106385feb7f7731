package io.xenemu.core.lab;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketTimeoutException;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.locks.LockSupport;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The way into a running lab machine: a port on the host's loopback that QEMU forwards to the machine's agent
/// (`l1-agent`). On every connection the agent speaks first. Then come the machine's secret and the role of the
/// connection.
///
/// QEMU accepts a connection before the machine does, and may lose bytes that are sent in between, for example with a
/// full backlog. So none are sent.
///
/// @param port on the loopback interface
/// @param token the machine's secret
/// @param patience how long an agent that does not speak is waited for
record LabChannel(int port, String token, Duration patience) {
    private static final Logger log = LoggerFactory.getLogger(LabChannel.class);

    /// The agent's first line.
    private static final byte[] GREETING = "agent\n".getBytes(UTF_8);

    /// The longest wait for the greeting. A busy host takes seconds.
    private static final int GREETING_MILLIS = 30_000;

    /// How long further connections are tried.
    private static final Duration PATIENCE = Duration.ofMinutes(2);

    /// Between two of them: QEMU ends each at once until the agent listens, which it does some time after the machine
    /// is ready, and again when it has ended.
    private static final long PAUSE_NANOS = 100_000_000;

    /// @param port on the loopback interface
    /// @param token the machine's secret
    LabChannel(int port, String token) {
        this(port, token, PATIENCE);
    }

    /// Connects to the agent.
    ///
    /// @param role the agent's line: `run ID LENGTH`, `in ID`, `out ID`, `err ID`, `tcp PORT`
    SocketChannel connect(String role) throws IOException {
        return begin(open(), role);
    }

    /// Opens a connection ahead of [#begin], so that the agent starts meanwhile.
    SocketChannel open() throws IOException {
        SocketChannel socket =
                SocketChannel.open(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
        try {
            socket.setOption(StandardSocketOptions.TCP_NODELAY, true);
            return socket;
        } catch (IOException e) {
            socket.close();
            throw e;
        }
    }

    /// Makes the machine's network device interrupt it. Nothing else comes of it.
    void nudge() {
        try {
            open().close();
        } catch (IOException e) {
            log.debug("the lab machine is not nudged: {}", e.toString());
        }
    }

    /// Begins a connection.
    ///
    /// @param opened closed if it fails, or if the agent does not speak on it
    /// @param role see [#connect]
    /// @return the connection, or a new one instead
    SocketChannel begin(SocketChannel opened, String role) throws IOException {
        SocketChannel socket = opened;
        try {
            long begun = System.nanoTime();
            while (!isGreeted(socket)) {
                if (System.nanoTime() - begun > patience.toNanos()) {
                    throw new LabException("the lab machine does not take commands");
                }
                socket.close();
                LockSupport.parkNanos(PAUSE_NANOS);
                socket = open();
            }
            send(socket, (token + "\n" + role + "\n").getBytes(UTF_8));
            return socket;
        } catch (IOException e) {
            socket.close();
            throw e;
        }
    }

    private static boolean isGreeted(SocketChannel socket) throws IOException {
        socket.socket().setSoTimeout(GREETING_MILLIS);
        try {
            byte[] line = socket.socket().getInputStream().readNBytes(GREETING.length);
            return Arrays.equals(line, GREETING);
        } catch (SocketTimeoutException e) {
            return false;
        }
    }

    /// Connects to a TCP port that something in the machine listens on, on the machine's own loopback.
    SocketChannel connectTcp(int port) throws IOException {
        return connect("tcp " + port);
    }

    static void send(SocketChannel socket, byte[] bytes) throws IOException {
        ByteBuffer buffer = ByteBuffer.wrap(bytes);
        while (buffer.hasRemaining()) {
            socket.write(buffer);
        }
    }

    @Override
    public String toString() {
        return "LabChannel[port=" + port + "]";
    }
}
