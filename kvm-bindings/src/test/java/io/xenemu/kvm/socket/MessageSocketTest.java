package io.xenemu.kvm.socket;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.file.HostFile;
import io.xenemu.kvm.memory.EventFd;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.Objects;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class MessageSocketTest {
    private static final Duration MOMENT = Duration.ofMillis(1);

    @TempDir private Path folder;

    private interface Use {
        void by(MessageSocket service, MessageSocket server) throws Exception;
    }

    private void connected(Use use) throws Exception {
        Path path = folder.resolve("s");
        try (MessageSocket.Listener listener = MessageSocket.Listener.bind(path, MOMENT)) {
            assertNull(listener.accept());
            assertEquals(
                    "rw-------",
                    PosixFilePermissions.toString(Files.getPosixFilePermissions(path)));
            try (MessageSocket server = MessageSocket.connect(path);
                    MessageSocket service = Objects.requireNonNull(listener.accept())) {
                use.by(service, server);
            }
        }
    }

    @Test
    void messagesArriveWholeWithTheirDescriptors() throws Exception {
        Path file = Files.writeString(folder.resolve("file"), "content");
        connected((service, server) -> {
            try (HostFile sent = HostFile.open(file, Set.of());
                    EventFd event = EventFd.create()) {
                service.send(new byte[] {1, 2, 3}, sent.fd(), event.fd());
                service.send(new byte[MessageSocket.MAX_BYTES]);
            }
            MessageSocket.Message first = Objects.requireNonNull(server.receive());
            assertArrayEquals(new byte[] {1, 2, 3}, first.bytes());
            assertEquals(2, first.descriptors().length());
            try (HostFile received = HostFile.received(first.descriptors().get(0));
                    HostFile _ = HostFile.received(first.descriptors().get(1))) {
                assertEquals(7, received.status().bytes());
            }
            MessageSocket.Message second = Objects.requireNonNull(server.receive());
            assertEquals(MessageSocket.MAX_BYTES, second.bytes().length);
            assertTrue(second.descriptors().isEmpty());
        });
    }

    @Test
    void endIsSeenOnBothSides() throws Exception {
        connected((service, server) -> {
            service.send(new byte[] {1});
            service.shutdown();
            assertEquals(1, Objects.requireNonNull(server.receive()).bytes().length);
            assertNull(server.receive());
            assertThrows(IOException.class, () -> server.send(new byte[] {1}));
            service.close();
            assertEquals(
                    "cannot send a message: the connection is closed",
                    assertThrows(IOException.class, () -> service.send(new byte[] {1}))
                            .getMessage());
            service.shutdown();
        });
    }

    @Test
    void nobodyListensAndTakenPathsAreToldWithTheirPath() throws Exception {
        Path path = folder.resolve("s");
        assertEquals(
                "cannot connect to " + path + ": ENOENT",
                assertThrows(IOException.class, () -> MessageSocket.connect(path)).getMessage());
        Files.createFile(path);
        assertEquals(
                "cannot listen at " + path + ": errno 98",
                assertThrows(IOException.class, () -> MessageSocket.Listener.bind(path, MOMENT))
                        .getMessage());
    }
}
