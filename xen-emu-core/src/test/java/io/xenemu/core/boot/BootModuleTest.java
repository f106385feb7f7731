package io.xenemu.core.boot;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BootModuleTest {
    @TempDir Path folder;

    @Test
    void textBehindTheFileNameIsTheCommandLine() throws IOException, BootException {
        Path file = Files.write(folder.resolve("vmlinuz"), new byte[] {1, 2, 3});
        try (Arena arena = Arena.ofConfined()) {
            BootModule module = BootModule.open(file + " console=hvc0  quiet", arena);
            assertEquals("console=hvc0  quiet", module.commandLine());
            assertEquals(3, module.content().byteSize());
        }
    }

    @Test
    void fileWhoseNameHasBlanksWins() throws IOException, BootException {
        Path file = Files.write(folder.resolve("my initrd"), new byte[5]);
        try (Arena arena = Arena.ofConfined()) {
            BootModule module = BootModule.open(file.toString(), arena);
            assertEquals("", module.commandLine());
            assertEquals(5, module.content().byteSize());
        }
    }

    @Test
    void missingFilesAndFoldersAreNamed() {
        try (Arena arena = Arena.ofConfined()) {
            String missing = folder + "/none";
            BootException noFile =
                    assertThrows(BootException.class, () -> BootModule.open(missing, arena));
            assertEquals("initrd " + missing + ": no such file", noFile.getMessage());
            BootException isFolder =
                    assertThrows(BootException.class, () -> KernelImage.open(folder, arena));
            assertTrue(isFolder.getMessage().endsWith("not a regular file"));
        }
    }

    @Test
    void argumentsStayAsTheyAreForAnotherFolder() {
        Path here = Path.of("").toAbsolutePath();

        assertEquals(here + "/initrd", BootModule.absolute("initrd"));
        assertEquals(
                here + "/a/module root=http://host//x/  last/",
                BootModule.absolute("a/module root=http://host//x/  last/"));
        assertEquals("/boot/initrd", BootModule.absolute("/boot/initrd"));
    }
}
