package io.xenemu.kvm.file;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class NewFileTest {
    @TempDir private Path folder;

    @Test
    void completeFileReplacesAnEarlierOne() throws IOException {
        Path target = Files.writeString(folder.resolve("file"), "old");
        try (NewFile file = new NewFile(target)) {
            file.channel().write(text("new"));
            assertEquals("old", Files.readString(target));
            file.complete();
        }
        assertEquals("new", Files.readString(target));
        assertEquals(
                "rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(target)));
        assertEquals(List.of("file"), names());
    }

    @Test
    void incompleteFileLeavesNothing() throws IOException {
        Path target = Files.writeString(folder.resolve("file"), "old");
        try (NewFile file = new NewFile(target)) {
            file.channel().write(text("new"));
            file.setLength(100);
        }
        assertEquals("old", Files.readString(target));
        assertEquals(List.of("file"), names());
    }

    @Test
    void folderIsNotReplaced() {
        FileSystemException e =
                assertThrows(FileSystemException.class, () -> new NewFile(folder).close());
        assertEquals("it is not a regular file", e.getReason());
    }

    private static ByteBuffer text(String text) {
        return ByteBuffer.wrap(text.getBytes(StandardCharsets.US_ASCII));
    }

    private List<String> names() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> String.valueOf(file.getFileName())).toList();
        }
    }
}
