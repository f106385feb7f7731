package io.xenemu.kvm.abi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

final class IoReasonTest {
    @Test
    void fileNameAloneIsNoReason() {
        IOException missing =
                assertThrows(IOException.class, () -> Files.readString(Path.of("/nosuch/x")));
        assertEquals("/nosuch/x: no such file or directory", IoReason.of(missing));
        assertEquals("no such file or directory", IoReason.withoutFile(missing));
        assertEquals("/x: permission denied", IoReason.of(new AccessDeniedException("/x")));
    }

    @Test
    void earlierReasonIsKept() {
        FileSystemException full = new FileSystemException("/x", null, "No space left on device");
        assertEquals("/x: No space left on device", IoReason.of(full));
        assertEquals("No space left on device", IoReason.withoutFile(full));
        assertEquals("Broken pipe", IoReason.of(new IOException("Broken pipe")));
        assertEquals("IOException", IoReason.of(new IOException()));
    }
}
