package io.xenemu.core.guest;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The orderly end of a service's guests: each is asked to power off, and gets some time for it.
public final class OrderlyStop {
    private static final Logger log = LoggerFactory.getLogger(OrderlyStop.class);

    /// The interval at which the guests' ends are checked, and guests are asked that were between two boots.
    private static final long POLL_MILLIS = 100;

    /// The guests of a service.
    public interface Guests {
        /// The names of those that have not ended.
        List<String> left();

        /// Asks each guest to power off that has not been asked yet and can be asked now.
        void ask();
    }

    private OrderlyStop() {}

    /// Asks the guests to power off, and waits for their end.
    ///
    /// @param limit the longest wait; if it is zero, no guest is asked
    /// @param atOnce ends the wait
    public static void run(Guests guests, Duration limit, CountDownLatch atOnce)
            throws InterruptedException {
        List<String> left = guests.left();
        if (left.isEmpty() || limit.isZero()) {
            return;
        }
        log.info(
                "asking {} to power off, for up to {} s; another SIGTERM ends them at once",
                String.join(", ", left),
                limit.toSeconds());
        long begun = System.nanoTime();
        while (!left.isEmpty()
                && Duration.ofNanos(System.nanoTime() - begun).compareTo(limit) < 0) {
            guests.ask();
            if (atOnce.await(POLL_MILLIS, TimeUnit.MILLISECONDS)) {
                break;
            }
            left = guests.left();
        }
        if (!left.isEmpty()) {
            log.warn("destroying guests that have not powered off: {}", String.join(", ", left));
        }
    }
}
