package io.xenemu.core.service;

import java.nio.file.Path;
import java.util.Map;

/// The default path of a XenStore's socket, as in libxenstore: `XENSTORED_PATH`, or `socket` in `XENSTORED_RUNDIR`, or
/// in `/run/xenstored`.
public final class StoreSocketPath {
    private static final String RUN_FOLDER = "/run/xenstored";

    private StoreSocketPath() {}

    /// The path.
    ///
    /// @param environment of this process
    public static Path of(Map<String, String> environment) {
        String path = environment.get("XENSTORED_PATH");
        return path != null
                ? Path.of(path)
                : Path.of(environment.getOrDefault("XENSTORED_RUNDIR", RUN_FOLDER), "socket");
    }
}
