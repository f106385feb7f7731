package io.xenemu.core.lab;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(30)
final class SocketRelayTest {
    @TempDir private Path folder = Path.of("");

    @Test
    void theEndOfARequestPassesWhileTheAnswerIsStillToCome() throws IOException {
        UnixDomainSocketAddress back = UnixDomainSocketAddress.of(folder.resolve("back"));
        UnixDomainSocketAddress front = UnixDomainSocketAddress.of(folder.resolve("front"));
        try (ServerSocketChannel server = listen(back);
                SocketRelay _ =
                        SocketRelay.start("relay", listen(front), () -> SocketChannel.open(back));
                SocketChannel client = SocketChannel.open(front)) {
            client.write(ByteBuffer.wrap("question".getBytes(UTF_8)));
            client.shutdownOutput();
            try (SocketChannel served = server.accept()) {
                assertEquals("question", readAll(served));
                served.write(ByteBuffer.wrap("answer".getBytes(UTF_8)));
            }
            assertEquals("answer", readAll(client));
        }
    }

    @Test
    void aClientSeesAnEndWhenThereIsNothingBehind() throws IOException {
        UnixDomainSocketAddress front = UnixDomainSocketAddress.of(folder.resolve("front"));
        SocketRelay.Connector nothing =
                () -> {
                    throw new IOException("refused");
                };
        try (SocketRelay _ = SocketRelay.start("relay", listen(front), nothing);
                SocketChannel client = SocketChannel.open(front)) {
            assertEquals("", readAll(client));
        }
    }

    /// The listener's first attempts fail, as in a process without free descriptors.
    @Test
    void aFailureToAcceptIsNotTheEndOfTheRelay() throws IOException {
        UnixDomainSocketAddress front = UnixDomainSocketAddress.of(folder.resolve("front"));
        ServerSocketChannel failing = new FailingOnce(listen(front));
        SocketRelay.Connector nothing =
                () -> {
                    throw new IOException("refused");
                };
        try (SocketRelay _ = SocketRelay.start("relay", failing, nothing);
                SocketChannel client = SocketChannel.open(front)) {
            assertEquals("", readAll(client));
        }
    }

    private static ServerSocketChannel listen(UnixDomainSocketAddress address) throws IOException {
        ServerSocketChannel listener = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        listener.bind(address);
        return listener;
    }

    private static String readAll(SocketChannel channel) throws IOException {
        return new String(Channels.newInputStream(channel).readAllBytes(), UTF_8);
    }
}
