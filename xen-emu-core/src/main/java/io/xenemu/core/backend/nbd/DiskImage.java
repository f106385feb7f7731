package io.xenemu.core.backend.nbd;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A disk image that a process of QEMU's is to serve, and how.
///
/// @param source where its bytes are
/// @param format is never guessed: a guest that writes another format's header to its disk changes nothing
/// @param key the file whose content, to the last byte, is the image's secret; null for none
/// @param writable whether the guest may write
/// @param discard whether what the guest discards is freed in the image
/// @param direct whether the image is read and written past the host's page cache
public record DiskImage(
        ImageSource source,
        ImageFormat format,
        @Nullable Path key,
        boolean writable,
        boolean discard,
        boolean direct) {
    /// The name of QEMU's object that has the key.
    private static final String KEY = "key";

    /// Refuses what cannot be served, before a process is started for it.
    ///
    /// @throws NbdException in one line
    void check() throws NbdException {
        source.check();
        if (key == null) {
            if (format == ImageFormat.LUKS) {
                throw new NbdException(source + ": an image of this format needs key-file=", true);
            }
            return;
        }
        if (!format.takesKey()) {
            throw new NbdException(source + ": format " + format + " has no key-file", true);
        }
        if (!Files.isReadable(key)) {
            throw new NbdException("the key file " + key + " cannot be read", true);
        }
    }

    /// The options that give QEMU the key, by its path alone; empty without one.
    List<String> keyOptions() {
        return key == null
                ? List.of()
                : List.of(
                        "--object",
                        "{\"qom-type\":\"secret\",\"id\":\"%s\",\"file\":%s}"
                                .formatted(KEY, Json.quoted(key.toAbsolutePath().toString())));
    }

    /// The image as QEMU is told of it: a JSON object, so that no name can be taken for an option, a protocol or a
    /// further setting.
    ///
    /// @param more settings of the image with their commas in front, or empty
    String json(String more) {
        return "{\"driver\":\"%s\"%s%s,\"file\":%s}"
                .formatted(
                        format.driver(),
                        key == null ? "" : "," + format.keyJson(KEY),
                        more,
                        source.json());
    }
}
