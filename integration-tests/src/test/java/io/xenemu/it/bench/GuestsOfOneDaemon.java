package io.xenemu.it.bench;

import io.xenemu.it.fixture.LabDaemon;
import io.xenemu.it.fixture.LinuxImages;
import io.xenemu.it.lab.Lab;
import java.io.IOException;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/// The memory that further guests of one daemon take beside their RAM, for none, 1, 4 and 8 small Linux guests, which
/// idle.
final class GuestsOfOneDaemon {
    private static final List<Integer> COUNTS = List.of(1, 4, 8);
    private static final int GUEST_MIB = 128;
    private static final int METRICS_PORT = 9101;
    private static final String REACHED = "process 1 is there";
    private static final String DAEMON = "[c]li.XenEmu daemon";

    private GuestsOfOneDaemon() {}

    /// Measures and prints. The guests end with the daemon.
    static void measure(Lab lab) throws IOException, InterruptedException {
        List<String> options =
                LinuxImages.arguments(
                        lab,
                        "6.12",
                        Optional.of("echo " + REACHED + "; sleep 10000"),
                        "--memory",
                        GUEST_MIB + "M");
        try (LabDaemon daemon = LabDaemon.start(lab, "/run/measured-daemon", METRICS_PORT)) {
            print(0, mib(lab), 0);
            double first = 0;
            int guests = 0;
            for (int count : COUNTS) {
                while (guests < count) {
                    guests++;
                    daemon.boot("guest" + guests, options).console().awaitText(REACHED);
                }
                double all = mib(lab);
                if (count == 1) {
                    first = all;
                }
                print(count, all, count == 1 ? 0 : (all - first) / (count - 1));
            }
        }
    }

    private static double mib(Lab lab) throws IOException, InterruptedException {
        return MemoryBesideGuests.mib(lab.machine(), DAEMON, Integer.MAX_VALUE / 1024);
    }

    private static void print(int guests, double mib, double further) {
        System.out.printf(
                Locale.ROOT,
                "%-34s ours %7.2f MiB%s%n",
                "a daemon's, with " + guests + " guests",
                mib,
                further == 0
                        ? ""
                        : String.format(Locale.ROOT, ": each after the first %.2f MiB", further));
    }
}
