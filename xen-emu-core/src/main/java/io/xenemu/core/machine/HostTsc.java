package io.xenemu.core.machine;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/// The host's time stamp counters.
final class HostTsc {
    private static final Path CLOCK_SOURCE =
            Path.of("/sys/devices/system/clocksource/clocksource0/current_clocksource");

    private HostTsc() {}

    /// Whether they agree and never stop: the host's kernel has tested that, and takes its time from them.
    static boolean isReliable() {
        try {
            return Files.readString(CLOCK_SOURCE).strip().equals("tsc");
        } catch (IOException e) {
            // A container may hide it. Then nothing is known.
            return false;
        }
    }
}
