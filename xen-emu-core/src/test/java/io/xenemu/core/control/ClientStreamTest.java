package io.xenemu.core.control;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import io.xenemu.kvm.testing.Eventually;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PipedInputStream;
import java.io.PipedOutputStream;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// A client's connection to another host, which a service uses.
@Timeout(60)
final class ClientStreamTest {
    private static SocketChannel service(ClientStream stream) throws IOException {
        SocketChannel service = SocketChannel.open(StandardProtocolFamily.UNIX);
        service.connect(UnixDomainSocketAddress.of(stream.path()));
        return service;
    }

    private static byte[] read(SocketChannel service, int count) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(count);
        while (bytes.hasRemaining() && service.read(bytes) >= 0) {
            // More comes.
        }
        return bytes.array();
    }

    @Test
    void bytesGoBothWaysUntilTheServiceCloses() throws Exception {
        PipedOutputStream peer = new PipedOutputStream();
        PipedInputStream in = new PipedInputStream(peer);
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ClientStream used;
        try (ClientStream stream = ClientStream.both(in, out);
                SocketChannel service = service(stream)) {
            used = stream;
            service.write(ByteBuffer.wrap(new byte[] {1, 2}));
            Eventually.holds("they arrive", () -> out.size() == 2);
            peer.write(new byte[] {3, 4, 5});
            peer.flush();
            assertArrayEquals(new byte[] {3, 4, 5}, read(service, 3));
        }
        assertNull(used.failure());
        assertArrayEquals(new byte[] {1, 2}, out.toByteArray());
    }

    @Test
    void serviceSeesTheEndOfTheOtherHost() throws Exception {
        try (ClientStream stream =
                        ClientStream.both(
                                new ByteArrayInputStream(new byte[] {7}),
                                new ByteArrayOutputStream());
                SocketChannel service = service(stream)) {
            assertArrayEquals(new byte[] {7}, read(service, 1));
            assertEquals(-1, service.read(ByteBuffer.allocate(1)));
        }
    }

    @Test
    void serviceThatDoesNotNeedItLeavesNothing() throws Exception {
        ClientStream stream =
                ClientStream.both(
                        new ByteArrayInputStream(new byte[0]), new ByteArrayOutputStream());
        stream.close();
        assertNull(stream.failure());
    }
}
