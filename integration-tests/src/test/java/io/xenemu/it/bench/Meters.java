package io.xenemu.it.bench;

import io.xenemu.it.fixture.LabDaemon;
import java.io.IOException;

/// Values of a daemon's meters.
final class Meters {
    private Meters() {}

    /// The value of a meter without tags; 0 if there is none yet.
    static double value(LabDaemon daemon, String meter) throws IOException, InterruptedException {
        return daemon.scrape()
                .lines()
                .filter(line -> line.startsWith(meter + " "))
                .mapToDouble(line -> Double.parseDouble(line.substring(meter.length() + 1)))
                .findFirst()
                .orElse(0);
    }
}
