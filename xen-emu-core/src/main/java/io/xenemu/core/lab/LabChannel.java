package io.xenemu.core.lab;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;

/// The way into a running lab machine: a port on the host's loopback that QEMU forwards to the machine's agent (`l1-agent`). Every connection
/// begins with the machine's secret and the role that the connection has.
///
/// @param port on the loopback interface
/// @param token the machine's secret
record LabChannel(int port, String token) {
    /// Connects to the agent.
    ///
    /// @param role the agent's line: `run ID LENGTH`, `in ID`, `out ID`, `err ID`, `tcp PORT`
    SocketChannel connect(String role) throws IOException {
        SocketChannel socket =
                SocketChannel.open(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
        try {
            socket.setOption(StandardSocketOptions.TCP_NODELAY, true);
            send(socket, (token + "\n" + role + "\n").getBytes(UTF_8));
            return socket;
        } catch (IOException e) {
            socket.close();
            throw e;
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
