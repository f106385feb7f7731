package io.xenemu.core.guest;

import java.time.Duration;
import java.util.Optional;

/// Slows down a guest that reboots or crashes as soon as it has started, and ends it if it goes on. Otherwise it would
/// use up a core and domain ids for nothing. Xen's xend refused such restarts; xl waits two seconds before each.
public final class RestartLimit {
    /// A domain that has run longer than this has started properly. Installers and updates take longer, too.
    static final Duration QUICK = Duration.ofSeconds(10);

    /// Quick reboots in a row that cost nothing: a firmware update reboots twice.
    static final int FREE = 3;

    /// Quick reboots in a row after which the guest is given up, about three minutes after the first.
    static final int MAX = 12;

    private static final Duration LONGEST = Duration.ofSeconds(30);

    private int quick;

    /// One more reboot.
    ///
    /// @param lived how long the domain has run
    /// @return how long to wait before the next one; empty when there is to be none
    Optional<Duration> next(Duration lived) {
        quick = lived.compareTo(QUICK) < 0 ? quick + 1 : 0;
        if (quick >= MAX) {
            return Optional.empty();
        }
        if (quick <= FREE) {
            return Optional.of(Duration.ZERO);
        }
        Duration wait = Duration.ofSeconds(1L << (quick - FREE - 1));
        return Optional.of(wait.compareTo(LONGEST) < 0 ? wait : LONGEST);
    }
}
