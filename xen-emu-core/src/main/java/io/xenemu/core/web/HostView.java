package io.xenemu.core.web;

import com.google.common.base.CharMatcher;
import com.google.common.base.Splitter;
import com.google.common.primitives.Longs;
import io.xenemu.core.json.Json;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/// What the page shows of the host: proc(5).
///
/// @param proc the folder
record HostView(Path proc) {
    private static final int KIB_SHIFT = 10;
    private static final int LOADS = 3;

    /// The host now.
    Json.Obj read() throws IOException {
        List<String> loads = Splitter.on(' ').splitToList(text("loadavg")).subList(0, LOADS);
        return Json.EMPTY
                .with("name", text("sys/kernel/hostname"))
                .with("kernel", text("sys/kernel/osrelease"))
                .with("cpus", Runtime.getRuntime().availableProcessors())
                .with("load", Json.texts(loads))
                .with("memory_mib", memory("MemTotal") >> KIB_SHIFT)
                .with("available_mib", memory("MemAvailable") >> KIB_SHIFT);
    }

    private String text(String file) throws IOException {
        return Files.readString(proc.resolve(file)).strip();
    }

    private long memory(String name) throws IOException {
        for (String line : Files.readAllLines(proc.resolve("meminfo"))) {
            if (line.startsWith(name + ":")) {
                Long kib = Longs.tryParse(CharMatcher.inRange('0', '9').retainFrom(line));
                return kib == null ? 0 : kib;
            }
        }
        return 0;
    }
}
