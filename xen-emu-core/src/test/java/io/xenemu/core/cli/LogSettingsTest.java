package io.xenemu.core.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.testing.Eventually;
import io.xenemu.kvm.testing.TestJvm;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
final class LogSettingsTest {
    @TempDir private Path folder = Path.of("");

    private static LogSettings of(Map<String, String> environment, String verb) {
        return LogSettings.of(environment, verb, "8:15");
    }

    @Test
    void serviceInTheBackgroundLogsMore() {
        assertEquals("INFO", of(Map.of(), "daemon").level());
        assertEquals("INFO", of(Map.of(), "xenstored").level());
        assertEquals("WARN", of(Map.of(), "run").level());
        assertEquals("WARN", of(Map.of(), "").level());
        assertEquals("DEBUG", of(Map.of("XEN_EMU_LOG", "debug"), "run").level());
        assertEquals("ERROR", of(Map.of("XEN_EMU_LOG", "ERROR"), "daemon").level());
    }

    @Test
    void unknownLevelIsRefused() {
        assertThrows(
                IllegalArgumentException.class, () -> of(Map.of("XEN_EMU_LOG", "LOUD"), "run"));
        assertThrows(IllegalArgumentException.class, () -> of(Map.of("XEN_EMU_LOG", ""), "run"));
    }

    @Test
    void linesHavePrioritiesOnlyIfStandardErrorIsTheJournal() {
        assertTrue(of(Map.of("JOURNAL_STREAM", "8:15"), "daemon").form().contains("<6>"));
        assertEquals("", of(Map.of("JOURNAL_STREAM", "8:16"), "daemon").form());
        assertEquals("", of(Map.of(), "daemon").form());
    }

    /// The lines that a process writes to standard error, a file that stands for the journal or for no journal.
    private List<String> errors(String variable, String value, int code, String... command)
            throws IOException, InterruptedException {
        Path file = folder.resolve("stderr");
        Files.writeString(file, "");
        List<String> all = TestJvm.command(XenEmu.class, command);
        ProcessBuilder builder = new ProcessBuilder(all).redirectError(file.toFile());
        builder.environment()
                .put(
                        variable,
                        value.replace(
                                "STDERR",
                                Files.getAttribute(file, "unix:dev")
                                        + ":"
                                        + Files.getAttribute(file, "unix:ino")));
        Process process = builder.start();
        if (code == 0) {
            Eventually.holds("a line in the log", () -> !Files.readString(file).isEmpty());
            process.destroy();
        }
        assertEquals(code, process.waitFor(), Files.readString(file));
        return Files.readAllLines(file);
    }

    @Test
    void lineInTheJournalBeginsWithItsPriority() throws IOException, InterruptedException {
        String socket = folder.resolve("socket").toString();
        List<String> lines = errors("JOURNAL_STREAM", "STDERR", 0, "xenstored", "--socket", socket);
        assertEquals("<6>[main] serving " + socket, lines.getFirst());
    }

    @Test
    void lineElsewhereNamesItsLevel() throws IOException, InterruptedException {
        String socket = folder.resolve("socket").toString();
        List<String> lines = errors("JOURNAL_STREAM", "1:1", 0, "xenstored", "--socket", socket);
        assertEquals("xen-emu: INFO [main] serving " + socket, lines.getFirst());
    }

    @Test
    void wrongLevelIsExplainedInOneLine() throws IOException, InterruptedException {
        assertEquals(
                List.of(
                        "xen-emu: XEN_EMU_LOG: 'LOUD' is none of trace, debug, info, warn, error, off"),
                errors("XEN_EMU_LOG", "LOUD", ExitCode.USAGE, "list"));
    }
}
