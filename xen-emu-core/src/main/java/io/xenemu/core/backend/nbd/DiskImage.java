package io.xenemu.core.backend.nbd;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// A disk image that `qemu-nbd` is to serve, and how.
///
/// @param path of a file or a block device
/// @param format is never guessed: a guest that writes another format's header to its disk changes nothing
/// @param writable whether the guest may write
/// @param discard whether what the guest discards is freed in the image
/// @param direct whether the image is read and written past the host's page cache
public record DiskImage(
        Path path, ImageFormat format, boolean writable, boolean discard, boolean direct) {
    /// The command that serves it. The image's name is in a JSON text after all options, so that no name can be taken
    /// for an option, a protocol or a further setting.
    ///
    /// @param program `qemu-nbd`
    /// @param socket that it listens on
    /// @param clients connections at once
    List<String> command(Path program, Path socket, int clients) {
        List<String> words = new ArrayList<>();
        words.add(program.toString());
        words.add("--shared=" + clients);
        words.add("--discard=" + (discard ? "unmap" : "ignore"));
        words.add("--detect-zeroes=off");
        words.add("--cache=" + (direct ? "none" : "writeback"));
        words.add("--socket=" + socket);
        if (!writable) {
            words.add("--read-only");
        }
        words.add("--");
        words.add(name());
        return words;
    }

    private String name() {
        // QEMU wants to be told which of the two it is.
        boolean isFile = Files.isRegularFile(path);
        return "json:{\"driver\":\"%s\",\"file\":{\"driver\":\"%s\",\"filename\":%s}}"
                .formatted(
                        format.driver(),
                        isFile ? "file" : "host_device",
                        quoted(path.toAbsolutePath().toString()));
    }

    private static String quoted(String text) {
        StringBuilder out = new StringBuilder("\"");
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c == '"' || c == '\\') {
                out.append('\\').append(c);
            } else if (Character.isISOControl(c)) {
                out.append("\\u%04x".formatted((int) c));
            } else {
                out.append(c);
            }
        }
        return out.append('"').toString();
    }
}
