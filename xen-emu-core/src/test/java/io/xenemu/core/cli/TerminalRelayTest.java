package io.xenemu.core.cli;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.hypervisor.HostException;
import io.xenemu.kvm.file.PseudoTerminal;
import io.xenemu.kvm.testing.Eventually;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PipedInputStream;
import java.io.PipedOutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class TerminalRelayTest {
    private static final int PIECE = 100;

    private final ByteArrayOutputStream printed = new ByteArrayOutputStream();

    private CompletableFuture<Void> connect(PseudoTerminal pty, InputStream typed) {
        return CompletableFuture.runAsync(
                () -> {
                    try {
                        new TerminalRelay(Path.of(pty.name())).connect(typed, printed);
                    } catch (HostException e) {
                        throw new AssertionError(e);
                    }
                },
                work -> Thread.ofPlatform().start(work));
    }

    private static String read(PseudoTerminal pty, MemorySegment buffer, int count) {
        StringBuilder text = new StringBuilder();
        Eventually.holds(
                "typed input",
                () -> {
                    int read = pty.stream().read(buffer, PIECE);
                    for (int i = 0; i < read; i++) {
                        text.append((char) buffer.get(JAVA_BYTE, i));
                    }
                    return text.length() >= count;
                });
        return text.toString();
    }

    @Test
    void bytesGoBothWaysUntilTheOperatorLeaves() throws Exception {
        try (PseudoTerminal pty = PseudoTerminal.open();
                Arena arena = Arena.ofConfined();
                PipedOutputStream keys = new PipedOutputStream()) {
            MemorySegment buffer = arena.allocate(PIECE);
            CompletableFuture<Void> relay =
                    connect(pty, new EscapableInput(new PipedInputStream(keys)));
            keys.write("typed".getBytes(US_ASCII));
            keys.flush();
            assertEquals("typed", read(pty, buffer, 5));
            MemorySegment.copy("out".getBytes(US_ASCII), 0, buffer, JAVA_BYTE, 0, 3);
            assertEquals(3, pty.stream().write(buffer, 3));
            Eventually.holds("output", () -> printed.toString(US_ASCII).equals("out"));
            keys.write(0x1d);
            keys.flush();
            relay.get();
        }
    }

    @Test
    void consoleThatEndsEndsIt() throws Exception {
        // Input that comes to its end would end it too.
        try (PipedOutputStream keys = new PipedOutputStream();
                InputStream typed = new PipedInputStream(keys)) {
            CompletableFuture<Void> relay;
            try (PseudoTerminal pty = PseudoTerminal.open();
                    Arena arena = Arena.ofConfined()) {
                MemorySegment buffer = arena.allocate(PIECE);
                buffer.set(JAVA_BYTE, 0, (byte) 'x');
                relay = connect(pty, typed);
                assertEquals(1, pty.stream().write(buffer, 1));
                Eventually.holds("output", () -> printed.toString(US_ASCII).equals("x"));
            }
            relay.get();
        }
    }

    /// The process may go on, and an exception of a thread would be printed.
    @Test
    void inputAfterClosedOutputIsNotGivenToTheTerminal() throws Exception {
        CompletableFuture<Throwable> failure = new CompletableFuture<>();
        Thread.UncaughtExceptionHandler before = Thread.getDefaultUncaughtExceptionHandler();
        Thread.setDefaultUncaughtExceptionHandler((_, e) -> failure.complete(e));
        // A command that was run before may have left one that waits for the standard input.
        Set<Thread> others = typing();
        try (PseudoTerminal pty = PseudoTerminal.open();
                Arena arena = Arena.ofConfined()) {
            MemorySegment buffer = arena.allocate(PIECE);
            assertEquals(1, pty.stream().write(buffer, 1));
            TerminalRelay relay = new TerminalRelay(Path.of(pty.name()));
            OutputStream closed = OutputStream.nullOutputStream();
            closed.close();
            try (PipedOutputStream keys = new PipedOutputStream()) {
                InputStream typed = new PipedInputStream(keys);
                assertThrows(HostException.class, () -> relay.connect(typed, closed));
                keys.write('x');
            }
            Eventually.holds("the end of the input's thread", () -> others.containsAll(typing()));
            assertNull(failure.getNow(null));
        } finally {
            Thread.setDefaultUncaughtExceptionHandler(before);
        }
    }

    private static Set<Thread> typing() {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().equals("console-in"))
                .collect(Collectors.toSet());
    }

    @Test
    void terminalThatIsGoneIsOneLine() {
        HostException e =
                assertThrows(
                        HostException.class,
                        () ->
                                new TerminalRelay(Path.of("/dev/pts/99999"))
                                        .connect(InputStream.nullInputStream(), printed));
        assertTrue(String.valueOf(e.getMessage()).contains("/dev/pts/99999"), e::toString);
    }
}
