package io.xenemu.core.backend.console;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.backend.ServedGuest;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.core.toolstack.ConsoleSpec;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.testing.Eventually;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ByteChannel;
import java.nio.channels.FileChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Consoles of a guest go to the next version of the service with the programs that are connected to them.
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class ConsoleHandOverTest {
    private static final Duration LIMIT = Duration.ofSeconds(10);
    private static final int TIMES = 10;

    @TempDir private Path folder;

    private static ConsoleKind kind() {
        return new ConsoleKind(new SimpleMeterRegistry(), Duration.ofHours(1));
    }

    /// A guest whose service changes.
    private static final class Upgraded implements AutoCloseable {
        ServedGuest guest = new ServedGuest(LIMIT, kind());
        ConsoleFront front;

        Upgraded(String spec) throws Exception {
            front = new ConsoleFront(guest, guest.attach(ConsoleSpec.parse(List.of(spec))));
            front.connect();
        }

        void upgrade() throws Exception {
            ServedGuest next = guest.handedOver(LIMIT, kind());
            guest.close();
            guest = next;
            front = new ConsoleFront(next, front);
            next.backends.resume(TestDomain.ID);
        }

        String terminal() throws Exception {
            return guest.devices.list().terminal(front.device);
        }

        @Override
        public void close() {
            guest.close();
        }
    }

    private static byte[] line(int number) {
        return "line %d\n".formatted(number).getBytes(US_ASCII);
    }

    private static byte[] read(ByteChannel from, int count) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(count);
        while (bytes.hasRemaining() && from.read(bytes) >= 0) {
            // The rest follows.
        }
        return bytes.array();
    }

    /// The guest prints and the program types, and neither looks before the service has changed.
    private static void talk(Upgraded guest, ByteChannel program) throws Exception {
        for (int i = 0; i < TIMES; i++) {
            byte[] line = line(i);
            guest.front.print(line);
            program.write(ByteBuffer.wrap(line));
            guest.upgrade();
            assertArrayEquals(line, read(program, line.length));
            assertArrayEquals(line, guest.front.read(line.length));
        }
    }

    @Test
    void programKeepsItsTerminal() throws Exception {
        try (Upgraded guest = new Upgraded("connection=pty")) {
            String terminal = guest.terminal();
            try (FileChannel program =
                    FileChannel.open(
                            Path.of(terminal), StandardOpenOption.READ, StandardOpenOption.WRITE)) {
                talk(guest, new Terminal(program));
                assertEquals(terminal, guest.terminal());
            }
        }
    }

    /// A terminal has no position, which a file's channel asks for.
    private record Terminal(FileChannel file) implements ByteChannel {
        @Override
        public int read(ByteBuffer to) throws IOException {
            return file.read(to);
        }

        @Override
        public int write(ByteBuffer from) throws IOException {
            return file.write(from);
        }

        @Override
        public boolean isOpen() {
            return file.isOpen();
        }

        @Override
        public void close() throws IOException {
            file.close();
        }
    }

    @Test
    void clientOfASocketStaysConnectedAndTheNextOneWaits() throws Exception {
        Path socket = folder.resolve("socket");
        UnixDomainSocketAddress address = UnixDomainSocketAddress.of(socket);
        try (Upgraded guest =
                new Upgraded("name=org.example.agent,connection=socket,path=" + socket)) {
            try (SocketChannel client = SocketChannel.open(address);
                    SocketChannel next = SocketChannel.open(address)) {
                talk(guest, client);
                client.shutdownOutput();
                byte[] line = line(TIMES);
                next.write(ByteBuffer.wrap(line));
                assertArrayEquals(line, guest.front.read(line.length));
                guest.front.print(line);
                assertArrayEquals(line, read(next, line.length));
            }
            assertTrue(Files.exists(socket));
        }
        assertFalse(Files.exists(socket));
    }

    @Test
    void fileGoesOnAndStaysLocked() throws Exception {
        Path file = folder.resolve("log");
        String spec = "connection=file,path=" + file;
        StringBuilder all = new StringBuilder();
        try (Upgraded guest = new Upgraded(spec);
                ServedGuest other = new ServedGuest(LIMIT, kind())) {
            for (int i = 0; i < TIMES; i++) {
                guest.front.print(line(i));
                all.append(new String(line(i), US_ASCII));
                guest.upgrade();
                assertEquals(
                        file + " cannot be locked: in use",
                        assertThrows(
                                        Refused.class,
                                        () -> other.attach(ConsoleSpec.parse(List.of(spec))))
                                .reason());
            }
            Eventually.holds("all is there", () -> Files.readString(file).contentEquals(all));
        }
    }

    @Test
    void serviceWhoseSuccessorDoesNotTakeItGoesOn() throws Exception {
        try (Upgraded guest = new Upgraded("connection=pty");
                FileChannel program =
                        FileChannel.open(
                                Path.of(guest.terminal()),
                                StandardOpenOption.READ,
                                StandardOpenOption.WRITE)) {
            guest.guest.offered(LIMIT, kind()).close();
            guest.guest.domain().parts().resume();
            byte[] line = line(1);
            guest.front.print(line);
            assertArrayEquals(line, read(new Terminal(program), line.length));
            program.write(ByteBuffer.wrap(line));
            assertArrayEquals(line, guest.front.read(line.length));
        }
    }
}
