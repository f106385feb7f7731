package io.xenemu.core.lab;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.CharRange;
import net.jqwik.api.constraints.StringLength;

final class ShellScriptPropertyTest {
    @Property(tries = 50)
    void wordsReachTheCommandAsTheyAre(
            @ForAll @CharRange(from = '\1', to = '\177') @StringLength(max = 20) String word,
            @ForAll @CharRange(from = '\1', to = '\177') @StringLength(max = 20) String value)
            throws IOException, InterruptedException {
        byte[] script =
                ShellScript.of(
                        "/dev/null",
                        Path.of("/"),
                        Map.of("V", value),
                        List.of("/bin/sh", "-c", "printf '%s|%s' \"$1\" \"$V\"", "sh", word));

        assertEquals(word + "|" + value, run(script));
    }

    private static String run(byte[] script) throws IOException, InterruptedException {
        Path file = Files.createTempFile("script", ".sh");
        try {
            Files.write(file, script);
            Process process = new ProcessBuilder("/bin/sh", file.toString()).start();
            String printed = new String(process.getInputStream().readAllBytes(), UTF_8);
            assertEquals(0, process.waitFor());
            return printed;
        } finally {
            Files.delete(file);
        }
    }
}
