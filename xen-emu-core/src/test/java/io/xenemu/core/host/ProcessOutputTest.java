package io.xenemu.core.host;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.Test;

/// What a child process writes.
final class ProcessOutputTest {
    @Test
    void eachLineOfItsErrorsIsToldAndItsOutputIsLeft() throws IOException, InterruptedException {
        List<String> lines = new CopyOnWriteArrayList<>();
        ProcessOutput output =
                ProcessOutput.startWithErrors(
                        new ProcessBuilder(
                                "/bin/sh",
                                "-c",
                                "echo out; printf 'first\\n\\n\\033[1msecond\\r\\n' >&2; printf last >&2"),
                        "test-output",
                        lines::add);
        assertEquals(0, output.process().waitFor());
        // Waits for its last words.
        assertEquals("last", output.lastLine(it -> it));
        assertEquals(List.of("first", "[1msecond", "last"), lines);
        assertEquals("out\n", new String(output.process().getInputStream().readAllBytes(), UTF_8));
    }

    @Test
    void lineWithoutAnEndIsToldInParts() throws IOException, InterruptedException {
        List<String> lines = new CopyOnWriteArrayList<>();
        ProcessOutput output =
                ProcessOutput.startWithErrors(
                        new ProcessBuilder("/bin/sh", "-c", "printf '%05000d' 0 >&2"),
                        "test-output",
                        lines::add);
        assertEquals(0, output.process().waitFor());
        String _ = output.lastLine(it -> it);
        assertEquals(List.of(2048, 2048, 904), lines.stream().map(String::length).toList());
    }
}
