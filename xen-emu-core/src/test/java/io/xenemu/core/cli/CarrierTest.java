package io.xenemu.core.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Commands that carry a guest.
@Timeout(60)
final class CarrierTest {
    @TempDir private Path folder = Path.of("");

    @Test
    void commandInPlaceOfSshGetsItsOptionsTheHostAndTheReceiver() throws Exception {
        Path ssh = folder.resolve("my-ssh");
        Files.writeString(ssh, "#!/bin/sh\nfor word; do echo \"$word\"; done\n");
        try (Carrier carrier = Carrier.ssh("/bin/sh " + ssh + " -p 22", "root@a b;c")) {
            assertEquals(
                    "-p\n22\nroot@a b;c\nxen-emu\nmigrate-receive\n",
                    new String(carrier.in().readAllBytes(), StandardCharsets.UTF_8));
        }
    }

    @Test
    void withoutOneTheHostIsACommand() throws Exception {
        try (Carrier carrier = Carrier.ssh("", "cat -u")) {
            carrier.out().write(new byte[] {1, 2, 3});
            carrier.out().flush();
            assertArrayEquals(new byte[] {1, 2, 3}, carrier.in().readNBytes(3));
        }
    }
}
