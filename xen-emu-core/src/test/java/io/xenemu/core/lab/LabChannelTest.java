package io.xenemu.core.lab;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// The way into a lab machine, with a socket instead of the machine.
final class LabChannelTest {
    private final ServerSocket machine;

    LabChannelTest() throws IOException {
        machine = new ServerSocket(0, 8, InetAddress.getLoopbackAddress());
    }

    @AfterEach
    void close() throws IOException {
        machine.close();
    }

    private CompletableFuture<SocketChannel> connect() {
        return connect(new LabChannel(machine.getLocalPort(), "secret"));
    }

    private static CompletableFuture<SocketChannel> connect(LabChannel channel) {
        CompletableFuture<SocketChannel> connected = new CompletableFuture<>();
        Thread.ofVirtual()
                .start(() -> {
                    try {
                        connected.complete(channel.connect("tcp 1"));
                    } catch (IOException e) {
                        connected.completeExceptionally(e);
                    }
                });
        return connected;
    }

    private static void greet(Socket agent) throws IOException {
        agent.getOutputStream().write("agent\n".getBytes(UTF_8));
    }

    private static List<String> twoLines(Socket agent) throws IOException {
        BufferedReader lines =
                new BufferedReader(new InputStreamReader(agent.getInputStream(), UTF_8));
        return List.of(lines.readLine(), lines.readLine());
    }

    @Test
    void nothingIsSaidBeforeTheAgentSpeaks() throws Exception {
        CompletableFuture<SocketChannel> connected = connect();
        try (Socket agent = machine.accept()) {
            Thread.sleep(100);
            assertEquals(0, agent.getInputStream().available());
            greet(agent);
            assertEquals(List.of("secret", "tcp 1"), twoLines(agent));
            connected.get().close();
        }
    }

    @Test
    void agentThatListensLateIsWaitedFor() throws Exception {
        CompletableFuture<SocketChannel> connected = connect();
        for (int i = 0; i < 6; i++) {
            machine.accept().close();
        }
        try (Socket agent = machine.accept()) {
            greet(agent);
            assertEquals(List.of("secret", "tcp 1"), twoLines(agent));
            connected.get().close();
        }
    }

    @Test
    void machineWithoutAnAgentIsGivenUp() throws Exception {
        CompletableFuture<SocketChannel> connected =
                connect(new LabChannel(machine.getLocalPort(), "secret", Duration.ZERO));
        machine.accept().close();
        Exception failure = assertThrows(Exception.class, connected::get);
        assertInstanceOf(LabException.class, failure.getCause());
    }
}
