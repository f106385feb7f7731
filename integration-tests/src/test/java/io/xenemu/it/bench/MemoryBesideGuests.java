package io.xenemu.it.bench;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.xenemu.core.lab.LabMachine;
import io.xenemu.it.fixture.GuestRunner;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/// The memory of a VMM in a lab machine beside its guests' RAM. It is the proportional share (`Pss` in /proc/PID/smaps)
/// of all its mappings but those of RAM.
final class MemoryBesideGuests {
    /// A VMM has given back the memory that its last start took when this time is over: malloc's after 5 s.
    private static final long IDLE_MILLIS = 8000;

    private MemoryBesideGuests() {}

    /// Waits until the VMM is idle, and adds up.
    ///
    /// @param pattern of its command line; begins with a bracket, so that the shell with this script is not found
    ///     itself
    /// @param ramMib a mapping of this size or more is RAM
    /// @return MiB
    static double mib(LabMachine machine, String pattern, int ramMib)
            throws IOException, InterruptedException {
        Thread.sleep(IDLE_MILLIS);
        // RAM is a memfd of that name here, and by far the largest mapping at the peer. Special
        // pages count on both sides.
        String script =
                """
                awk '/^[0-9a-f]+-[0-9a-f]+ / { ram = /memfd:xen-ram-/ }
                     /^Size:/ { if ($2 >= %d) ram = 1 }
                     /^Pss:/ { if (!ram) sum += $2 }
                     END { print sum }' /proc/$(pgrep -f -n '%s')/smaps
                """
                        .formatted(ramMib * 1024, pattern);
        Process sum =
                machine.start(
                        List.of("/bin/sh", "-c", script),
                        Path.of("").toAbsolutePath(),
                        GuestRunner.ENVIRONMENT);
        sum.getOutputStream().close();
        String kib = new String(sum.getInputStream().readAllBytes(), UTF_8).strip();
        sum.waitFor();
        return Long.parseLong(kib) / 1024.0;
    }
}
