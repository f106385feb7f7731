package io.xenemu.core.control;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// The users that may use a control socket, and the files that it replaces.
@Timeout(60)
final class ControlAccessTest {
    @TempDir private Path folder = Path.of("");

    private Path path() {
        return folder.resolve("control");
    }

    private ControlSocket open() throws IOException {
        return ControlSocket.open(path(), null, TestCommands.ECHO);
    }

    private List<String> files() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> String.valueOf(file.getFileName())).toList();
        }
    }

    @Test
    void onlyTheOwnerMayConnect() throws IOException {
        try (ControlSocket _ = open()) {
            assertEquals(
                    PosixFilePermissions.fromString("rw-------"),
                    Files.getPosixFilePermissions(path()));
        }
        assertFalse(Files.exists(path()));
    }

    @Test
    void groupMayConnectWhenItIsNamed() throws IOException {
        String own = Files.readAttributes(folder, PosixFileAttributes.class).group().getName();
        try (ControlSocket _ = ControlSocket.open(path(), own, TestCommands.ECHO)) {
            PosixFileAttributes socket = Files.readAttributes(path(), PosixFileAttributes.class);
            assertEquals(PosixFilePermissions.fromString("rw-rw----"), socket.permissions());
            assertEquals(own, socket.group().getName());
            assertDoesNotThrow(() -> ControlClient.command(path(), List.of("ok")));
            assertEquals(List.of("control"), files());
        }
        assertEquals(List.of(), files());
    }

    @Test
    void groupThatDoesNotExistIsExplained() throws IOException {
        IOException e =
                assertThrows(
                        IOException.class,
                        () -> ControlSocket.open(path(), "no-such-group", TestCommands.ECHO));
        String message = String.valueOf(e.getMessage());
        assertTrue(message.endsWith("control: there is no group no-such-group"), message);
        assertEquals(List.of(), files());
    }

    @Test
    void servedSocketAndOtherFilesAreNotReplaced() throws IOException {
        try (ControlSocket _ = open()) {
            assertThrows(IOException.class, this::open);
            assertDoesNotThrow(() -> ControlClient.command(path(), List.of("ok")));
        }
        Files.writeString(path(), "precious");
        assertThrows(IOException.class, this::open);
        assertEquals("precious", Files.readString(path()));
    }
}
