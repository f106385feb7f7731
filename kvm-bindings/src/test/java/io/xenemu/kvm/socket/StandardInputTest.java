package io.xenemu.kvm.socket;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.file.ByteStream;
import io.xenemu.kvm.testing.Tool;
import java.io.BufferedReader;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// A socket that a supervisor passes as standard input.
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class StandardInputTest {
    private static final String LISTENING =
            "socket(S, PF_UNIX, SOCK_STREAM, 0) or die; bind(S, sockaddr_un($ARGV[0])) or die $!; listen(S, 9) or die;"
                    + " POSIX::dup2(fileno(S), 0); shift; exec @ARGV";

    private static final String CONNECTED =
            "socketpair(S, T, PF_UNIX, SOCK_STREAM, 0) or die; POSIX::dup2(fileno(S), 0); shift; exec @ARGV";

    @TempDir private Path folder = Path.of("");

    /// A service that tells the path of its socket, and then that a client has come.
    static final class Service {
        private Service() {}

        @SuppressWarnings("SystemOut")
        public static void main(String[] arguments) throws IOException, InterruptedException {
            try (StreamListener listener = StreamListener.inherited()) {
                System.out.println(listener);
                if (listener == null) {
                    return;
                }
                ByteStream client = listener.accept();
                while (client == null) {
                    Thread.sleep(10);
                    client = listener.accept();
                }
                client.close();
                System.out.println("a client");
            }
        }
    }

    private Process start(String perl) throws IOException {
        return new ProcessBuilder(
                        Tool.need("perl", "perl-base"),
                        "-MSocket",
                        "-MPOSIX",
                        "-e",
                        perl,
                        folder.resolve("s").toString(),
                        Path.of(System.getProperty("java.home"), "bin/java").toString(),
                        "--enable-native-access=ALL-UNNAMED",
                        "-XX:+UseSerialGC",
                        "-cp",
                        System.getProperty("java.class.path"),
                        Service.class.getName())
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
    }

    @Test
    void listeningSocketIsServed() throws Exception {
        Process service = start(LISTENING);
        try (BufferedReader told = service.inputReader()) {
            assertEquals(folder.resolve("s").toString(), told.readLine());
            try (SocketChannel client =
                    SocketChannel.open(UnixDomainSocketAddress.of(folder.resolve("s")))) {
                assertTrue(client.isConnected());
                assertEquals("a client", told.readLine());
            }
        } finally {
            service.destroyForcibly();
        }
    }

    @Test
    void connectedSocketIsNone() throws Exception {
        Process service = start(CONNECTED);
        try (BufferedReader told = service.inputReader()) {
            assertEquals("null", told.readLine());
        } finally {
            service.destroyForcibly();
        }
    }
}
