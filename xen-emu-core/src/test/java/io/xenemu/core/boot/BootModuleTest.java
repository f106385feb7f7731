package io.xenemu.core.boot;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class BootModuleTest {
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
