package io.xenemu.core.service;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.cli.XenEmu;
import io.xenemu.core.control.ControlReply;
import io.xenemu.core.control.ControlSocket;
import io.xenemu.core.control.TestCommands;
import io.xenemu.core.device.Terminal;
import io.xenemu.kvm.testing.Tool;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// A guest's console on a pseudo-terminal, which `script` makes. It begins as a terminal for lines, with echo and
/// signals.
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class ConsoleTerminalTest {
    private static final String JAVA = ProcessHandle.current().info().command().orElseThrow();

    /// Ctrl-C, Ctrl-backslash, Ctrl-Z, Ctrl-D, Ctrl-S, Ctrl-Q, Ctrl-V and Enter.
    private static final String KEYS = "a\u0003\u001c\u001a\u0004\u0013\u0011\u0016\r";

    /// The output of `stty -g`.
    private static final Pattern SETTINGS = Pattern.compile("[0-9a-f]+(:[0-9a-f]+){10,}");

    private static final String ESCAPE = "\u001d";
    private static final String PROMPT = "login\r\n";

    @TempDir private Path folder = Path.of("");

    private static String java(Class<?> main, String arguments) {
        return JAVA
                + " --enable-native-access=ALL-UNNAMED -cp '"
                + System.getProperty("java.class.path")
                + "' '"
                + main.getName()
                + "' "
                + arguments;
    }

    /// Runs a shell command on a terminal. The terminal's settings are printed before and after its output.
    private static Process onTerminal(String command) throws IOException {
        // A shell without job control gets Ctrl-C, too, and dash dies of it: the trap keeps it for
        // the second stty. A child gets a trapped signal's default back.
        String script = "trap : INT; stty -g; " + command + "; code=$?; stty -g; exit $code";
        // A shell starts background jobs with SIGINT ignored, and children inherit that. A build
        // may be such a job.
        return new ProcessBuilder(
                        "env",
                        "--default-signal=INT",
                        Tool.need("script", "bsdutils"),
                        "-qec",
                        script,
                        "/dev/null")
                .redirectErrorStream(true)
                .start();
    }

    private static void type(Process terminal, String keys) throws IOException {
        OutputStream keyboard = terminal.getOutputStream();
        keyboard.write(keys.getBytes(ISO_8859_1));
        keyboard.flush();
    }

    /// A guest that prints a prompt, and takes input up to Enter.
    private static void guest(SocketChannel client, CompletableFuture<String> typed)
            throws IOException {
        client.write(ByteBuffer.wrap(PROMPT.getBytes(ISO_8859_1)));
        StringBuilder all = new StringBuilder();
        ByteBuffer bytes = ByteBuffer.allocate(16);
        while (client.read(bytes) >= 0) {
            bytes.flip();
            all.append(ISO_8859_1.decode(bytes));
            bytes.clear();
            if (all.toString().endsWith("\r") || all.toString().endsWith("\n")) {
                typed.complete(all.toString());
            }
        }
    }

    private static String awaitText(Process terminal, String text) throws IOException {
        StringBuilder shown = new StringBuilder();
        while (shown.indexOf(text) < 0) {
            int next = terminal.getInputStream().read();
            assertTrue(next >= 0, shown.toString());
            shown.append((char) next);
        }
        return shown.toString();
    }

    private static String rest(Process terminal) throws IOException {
        return new String(terminal.getInputStream().readAllBytes(), ISO_8859_1);
    }

    private static void assertRestored(String shown) {
        List<String> settings = SETTINGS.matcher(shown).results().map(MatchResult::group).toList();
        assertEquals(2, settings.size(), shown);
        assertEquals(settings.get(0), settings.get(1));
    }

    @Test
    void consoleGivesEveryKeyButTheEscapeToTheGuest()
            throws IOException, InterruptedException, ExecutionException {
        CompletableFuture<String> typed = new CompletableFuture<>();
        Path socket = folder.resolve("control");
        try (ControlSocket _ =
                ControlSocket.open(
                        socket,
                        null,
                        new TestCommands(
                                _ -> ControlReply.session(client -> guest(client, typed))))) {
            Process terminal = onTerminal(java(XenEmu.class, "console -s " + socket + " web"));
            String shown = awaitText(terminal, PROMPT.stripTrailing() + "\r");
            // The guest's line ends as it has sent it.
            assertEquals('\n', terminal.getInputStream().read());
            type(terminal, KEYS);
            assertEquals(KEYS, typed.get());
            type(terminal, ESCAPE);
            shown += rest(terminal);
            assertEquals(0, terminal.waitFor(), shown);
            assertRestored(shown);
        }
    }

    @Test
    void runKeepsCtrlCForItself() throws IOException, InterruptedException {
        Process terminal = onTerminal(java(SharedTerminal.class, ""));
        String shown = awaitText(terminal, "ready\r\n");
        type(terminal, "\u001c\u001a\r");
        shown += awaitText(terminal, "28 26 13 ");
        type(terminal, "\u0003");
        shown += rest(terminal);
        assertEquals(130, terminal.waitFor(), shown);
        assertRestored(shown);
    }

    /// Prints the keys that it gets.
    static final class SharedTerminal {
        private SharedTerminal() {}

        public static void main(String[] args) throws IOException {
            try (Terminal _ = Terminal.shared()) {
                System.out.println("ready");
                for (int key = System.in.read(); key >= 0; key = System.in.read()) {
                    System.out.print(key + " ");
                    System.out.flush();
                }
            }
        }
    }
}
