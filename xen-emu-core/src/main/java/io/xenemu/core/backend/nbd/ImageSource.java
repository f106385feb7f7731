package io.xenemu.core.backend.nbd;

import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;

/// Where the bytes of a disk image are.
public sealed interface ImageSource permits ImageSource.ImageFile, RbdImage {
    /// Refuses what cannot be an image, before a process is started for it.
    ///
    /// @throws NbdException in one line
    void check() throws NbdException;

    /// What QEMU is told of it: a JSON object.
    String json();

    /// The source at a target of an operator.
    ///
    /// @throws NbdException if it is malformed
    static ImageSource of(String target) throws NbdException {
        return RbdImage.isOne(target) ? RbdImage.parse(target) : new ImageFile(path(target));
    }

    private static Path path(String target) throws NbdException {
        try {
            return Path.of(target);
        } catch (InvalidPathException e) {
            throw new NbdException("%s: %s".formatted(target, e.getReason()), true);
        }
    }

    /// A file or a block device.
    record ImageFile(Path path) implements ImageSource {
        @Override
        public void check() throws NbdException {
            if (!Files.exists(path)) {
                throw new NbdException(path + ": no such file", true);
            }
            if (Files.isDirectory(path)) {
                throw new NbdException(path + " is a directory, not a disk", true);
            }
        }

        @Override
        public String json() {
            // QEMU wants to be told which of the two it is.
            boolean isFile = Files.isRegularFile(path);
            return "{\"driver\":\"%s\",\"filename\":%s}"
                    .formatted(
                            isFile ? "file" : "host_device",
                            Json.quoted(path.toAbsolutePath().toString()));
        }

        @Override
        public String toString() {
            return path.toString();
        }
    }
}
