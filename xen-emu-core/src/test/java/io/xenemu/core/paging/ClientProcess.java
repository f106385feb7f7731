package io.xenemu.core.paging;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.kvm.file.HostFile;
import io.xenemu.kvm.memory.UserFaultFd;
import io.xenemu.kvm.socket.MessageSocket;
import io.xenemu.kvm.testing.TestJvm;
import io.xenemu.kvm.testing.Tool;
import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/// Another process that shares the memory of a guest, as a test sees it.
final class ClientProcess implements AutoCloseable {
    private static final Path SOURCE = Path.of("src/test/c/page_client.c");
    private static final Path COMPILER = Path.of("/usr/bin/gcc");

    private final String name;
    private final Process process;
    private final MessageSocket connection;
    private final PlainMemory memory;
    private final CompletableFuture<String> failed = new CompletableFuture<>();
    private @Nullable SharingProcess sharing;

    private ClientProcess(
            String name, Process process, MessageSocket connection, PlainMemory memory) {
        this.name = name;
        this.process = process;
        this.connection = connection;
        this.memory = memory;
    }

    /// The command of one in C, or in Java where there is no compiler.
    static List<String> inC(Path folder) throws Exception {
        if (!Files.isExecutable(COMPILER)) {
            return inJava();
        }
        Path program = folder.resolve("page_client");
        String _ =
                Tool.run(
                        COMPILER.toString(),
                        "-Wall",
                        "-Werror",
                        "-O1",
                        "-pthread",
                        "-o",
                        program.toString(),
                        SOURCE.toString());
        return List.of(program.toString());
    }

    /// The command of one in Java.
    static List<String> inJava() {
        return TestJvm.command(PageClient.class);
    }

    /// Starts one, which shares the memory from then on.
    static ClientProcess start(
            String name, List<String> command, Path folder, PlainMemory memory, LateRam ram)
            throws Exception {
        Path socket = folder.resolve(name);
        try (MessageSocket.Listener listener =
                MessageSocket.Listener.bind(socket, Duration.ofSeconds(60))) {
            List<String> words = new ArrayList<>(command);
            words.addAll(
                    List.of(
                            socket.toString(),
                            memory.path().toString(),
                            Long.toString(memory.ramBytes() / 4096)));
            Process process =
                    new ProcessBuilder(words)
                            .redirectErrorStream(true)
                            .redirectOutput(Redirect.INHERIT)
                            .start();
            MessageSocket connection = Objects.requireNonNull(listener.accept());
            ClientProcess client = new ClientProcess(name, process, connection, memory);
            client.share(ram);
            return client;
        }
    }

    private MessageSocket.Message receive() throws IOException {
        return Objects.requireNonNull(connection.receive(), name + " has ended");
    }

    private static long number(MessageSocket.Message message) {
        assertEquals(Long.BYTES, message.bytes().length);
        return ByteBuffer.wrap(message.bytes()).order(ByteOrder.LITTLE_ENDIAN).getLong();
    }

    private void share(LateRam ram) throws IOException {
        MessageSocket.Message message = receive();
        SharingProcess made =
                ram.share(
                        name,
                        UserFaultFd.received(message.descriptors().get(0)),
                        HostFile.received(message.descriptors().get(1)),
                        List.of(new MappedRam(number(message), memory.ramBytes() / 4096, 0)));
        made.whenFailed(failed::complete);
        sharing = made;
    }

    /// Lets it share the memory once more.
    void shareAgain(LateRam ram) throws IOException {
        connection.send(new byte[] {'r'});
        share(ram);
    }

    /// Ends the sharing, and not the process.
    void unshare() {
        Objects.requireNonNull(sharing).close();
    }

    /// Lets it read all of the memory.
    void read() throws IOException {
        connection.send(new byte[] {'h'});
    }

    /// What it has read.
    long hash() throws IOException {
        return number(receive());
    }

    /// Why it is not served any more.
    CompletableFuture<String> failed() {
        return failed;
    }

    void signal(String signal) throws Exception {
        String _ = Tool.run("kill", "-" + signal, Long.toString(process.pid()));
    }

    @Override
    public void close() {
        unshare();
        Process _ = process.destroyForcibly();
        Process _ = process.onExit().join();
        connection.close();
    }
}
