package io.xenemu.core.lab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class GuestProgramTest {
    @Test
    void aDynamicProgramComesWithLoaderAndLibraries() throws IOException {
        List<GuestProgram.Entry> entries = GuestProgram.of(Path.of("/bin/ls")).entries();

        List<String> names = entries.stream().map(GuestProgram.Entry::name).toList();
        assertEquals("bin/ls", names.getFirst());
        assertTrue(names.contains("lib64/ld-linux-x86-64.so.2"), names.toString());
        assertTrue(names.contains("lib/x86_64-linux-gnu/libc.so.6"), names.toString());
        assertTrue(entries.stream().allMatch(entry -> Files.exists(entry.content())));
    }

    @Test
    void aScriptComesAlone(@TempDir Path folder) throws IOException {
        Path script = Files.writeString(folder.resolve("send"), "#!/bin/sh\n");

        assertEquals(
                List.of(new GuestProgram.Entry("bin/send", script)),
                GuestProgram.of(script).entries());
    }
}
