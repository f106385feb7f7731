package io.xenemu.core.backend.net;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/// The names of the taps that the service has open. A tap of several queues lets each further opening in, and then
/// gives frames to both: so one name is one device's.
///
/// Thread-safe.
final class TapNames {
    private final Set<String> taken = ConcurrentHashMap.newKeySet();

    /// Takes a name.
    ///
    /// @return false if it is taken
    boolean take(String name) {
        return taken.add(name);
    }

    /// Gives a name back that was taken.
    void giveBack(String name) {
        taken.remove(name);
    }
}
