package io.xenemu.core.paging;

import io.xenemu.core.host.ProcessOutput;
import io.xenemu.kvm.socket.MessageSocket;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/// A page server of this service: a child process, and the connection to it. It ends with the connection, and so with
/// the service.
final class PageServerProcess implements AutoCloseable {
    /// From its start to its connection, on the slowest host.
    private static final Duration START = Duration.ofSeconds(60);

    private static final Duration LOOK_AGAIN = Duration.ofMillis(100);

    /// To end by itself.
    private static final Duration END = Duration.ofSeconds(2);

    private final Process process;
    private final ProcessOutput output;
    private final MessageSocket connection;

    private PageServerProcess(Process process, ProcessOutput output, MessageSocket connection) {
        this.process = process;
        this.output = output;
        this.connection = connection;
    }

    /// The command that starts a page server as this service was started. The path of a socket follows it.
    static List<String> command() {
        String launcher = System.getenv("XEN_EMU_LAUNCHER");
        if (launcher != null) {
            return List.of(launcher, "page-server");
        }
        return List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-cp",
                System.getProperty("java.class.path"),
                "io.xenemu.core.cli.XenEmu",
                "page-server");
    }

    /// Starts one, and waits for its connection.
    ///
    /// @throws IOException if it does not start; the message says why
    static PageServerProcess start(List<String> command) throws IOException {
        // The JDK makes it for its user alone (mode 0700).
        Path folder = Files.createTempDirectory("xen-emu-pages-");
        Path socket = folder.resolve("s");
        try (MessageSocket.Listener listener = MessageSocket.Listener.bind(socket, LOOK_AGAIN)) {
            List<String> words = new ArrayList<>(command);
            words.add(socket.toString());
            ProcessOutput output =
                    ProcessOutput.start(
                            new ProcessBuilder(words).redirectErrorStream(true), "page-server-log");
            Process process = output.process();
            process.getOutputStream().close();
            long end = System.nanoTime() + START.toNanos();
            while (true) {
                boolean isAlive = process.isAlive();
                MessageSocket connection = listener.accept();
                if (connection != null) {
                    return new PageServerProcess(process, output, connection);
                }
                if (!isAlive) {
                    throw new IOException(
                            "the page server does not start: " + output.lastLine(it -> it));
                }
                if (System.nanoTime() - end > 0) {
                    Process _ = process.destroyForcibly();
                    throw new IOException(
                            "the page server does not start within %d s"
                                    .formatted(START.toSeconds()));
                }
            }
        } finally {
            Files.deleteIfExists(socket);
            Files.deleteIfExists(folder);
        }
    }

    /// The connection to it.
    MessageSocket connection() {
        return connection;
    }

    /// Its process id.
    long pid() {
        return process.pid();
    }

    /// Ends it at once, and waits until it has no descriptor any more.
    void kill() {
        Process _ = process.destroyForcibly();
        connection.shutdown();
        Process _ = process.onExit().join();
    }

    /// The last that it has said, after its end.
    String lastWords() {
        return output.lastLine(it -> it);
    }

    /// Ends it, and waits for that. Nobody uses the connection any more.
    @Override
    public void close() {
        connection.shutdown();
        try {
            Process _ = process.onExit().get(END.toMillis(), TimeUnit.MILLISECONDS);
        } catch (TimeoutException | ExecutionException e) {
            kill();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            kill();
        }
        connection.close();
    }
}
