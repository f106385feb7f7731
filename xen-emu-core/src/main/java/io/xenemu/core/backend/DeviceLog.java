package io.xenemu.core.backend;

import io.xenemu.core.toolstack.PvDevice;
import java.time.Duration;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The lines of one device in the service's log. A guest can cause them at will, so all but one in a minute are for
/// debugging only.
final class DeviceLog {
    private static final Duration INTERVAL = Duration.ofMinutes(1);
    private static final Logger log = LoggerFactory.getLogger(DeviceLog.class);

    private final PvDevice device;
    private final LongSupplier clock;
    private long next;
    private boolean connectedOnce;

    DeviceLog(PvDevice device) {
        this(device, System::nanoTime);
    }

    /// @param clock nanoseconds
    DeviceLog(PvDevice device, LongSupplier clock) {
        this.device = device;
        this.clock = clock;
        next = clock.getAsLong();
    }

    /// What an operator should know.
    synchronized void say(String line) {
        if (due()) {
            log.warn("{}: {}", device, line);
        } else {
            log.debug("{}: {}", device, line);
        }
    }

    /// A bug of the service.
    synchronized void bug(Throwable failure) {
        if (due()) {
            log.error("{}: this is a bug", device, failure);
        } else {
            log.debug("{}: this is a bug", device, failure);
        }
    }

    /// Whether the next line is for the operator; at most one in a minute is.
    synchronized boolean due() {
        long now = clock.getAsLong();
        if (now - next < 0) {
            return false;
        }
        next = now + INTERVAL.toNanos();
        return true;
    }

    /// The guest has connected to it.
    synchronized void connected() {
        if (connectedOnce) {
            log.debug("{}: connected again", device);
        } else {
            log.info("{}: connected", device);
        }
        connectedOnce = true;
    }
}
