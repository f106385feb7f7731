package io.xenemu.kvm.file;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
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
    void longFileIsWholeAtTheDisksPace() throws IOException {
        Path target = folder.resolve("file");
        byte[] part = new byte[(PacedFile.PIECE_BYTES >> 1) + 3];
        try (NewFile file = new NewFile(target)) {
            WritableByteChannel out = file.paced();
            for (int i = 0; i < 14; i++) {
                Arrays.fill(part, (byte) (1 + i));
                ByteBuffer left = ByteBuffer.wrap(part);
                while (left.hasRemaining()) {
                    out.write(left);
                }
            }
            file.complete();
        }
        byte[] written = Files.readAllBytes(target);
        assertEquals(14 * part.length, written.length);
        for (int i = 0; i < 14; i++) {
            assertEquals(1 + i, written[i * part.length]);
            assertEquals(1 + i, written[(i + 1) * part.length - 1]);
        }
        assertEquals(List.of("file"), names());
    }

    @Test
    void pacedFileThatIsClosedMeanwhileTakesNothing() throws IOException {
        NewFile file = new NewFile(folder.resolve("file"));
        WritableByteChannel out = file.paced();
        out.write(text("new"));
        file.close();
        assertThrows(ClosedChannelException.class, () -> out.write(text("more")));
        assertEquals(List.of(), names());
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
