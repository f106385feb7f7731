package io.xenemu.core.service;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/// The file with a daemon's process id.
final class PidFile {
    private PidFile() {}

    /// Writes it; it is removed with the resources.
    ///
    /// @param file null for none
    static void write(@Nullable Path file, Resources open) throws IOException {
        if (file != null) {
            Files.writeString(file, ProcessHandle.current().pid() + "\n");
            open.add(file, Files::deleteIfExists);
        }
    }
}
