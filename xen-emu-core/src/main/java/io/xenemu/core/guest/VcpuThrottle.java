package io.xenemu.core.guest;

import com.google.common.util.concurrent.Uninterruptibles;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.StuckException;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Slows a guest down: its vCPUs stand still for a part of each period. For one thread.
final class VcpuThrottle implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(VcpuThrottle.class);
    private static final long PERIOD = TimeUnit.MILLISECONDS.toNanos(50);
    private static final int PERCENT = 100;

    private final Domain domain;
    private volatile int percent;
    private @Nullable Thread thread;

    VcpuThrottle(Domain domain) {
        this.domain = domain;
    }

    /// Lets the vCPUs stand still for this part of the time from now on.
    ///
    /// @param part in percent, less than 100; 0 for none
    void set(int part) {
        percent = part;
        if (thread == null && part > 0) {
            thread = Thread.ofPlatform().name("throttle-" + domain.id().value()).start(this::run);
        }
    }

    private void run() {
        try {
            while (true) {
                long still = PERIOD * percent / PERCENT;
                domain.hold();
                try {
                    TimeUnit.NANOSECONDS.sleep(still);
                } finally {
                    domain.release();
                }
                TimeUnit.NANOSECONDS.sleep(PERIOD - still);
            }
        } catch (InterruptedException e) {
            // The end.
        } catch (StuckException e) {
            log.warn("{} is not slowed down any more: {}", domain, e.getMessage());
        }
    }

    /// Ends it. The vCPUs run when this returns, unless others hold them.
    @Override
    public void close() {
        Thread running = thread;
        if (running != null) {
            thread = null;
            running.interrupt();
            Uninterruptibles.joinUninterruptibly(running);
        }
    }
}
