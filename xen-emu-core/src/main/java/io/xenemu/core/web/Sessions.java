package io.xenemu.core.web;

import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/// The browsers that have shown a token, by the secret of their cookie. They are forgotten with the process.
final class Sessions {
    /// The most at a time; a further one replaces the oldest.
    static final int MAX = 64;

    /// How long one lasts: a day's work.
    static final Duration LIFE = Duration.ofHours(12);

    private record Session(Role role, Instant end) {}

    private final InstantSource clock;
    // In the order of their beginning. Guarded by itself.
    private final Map<String, Session> sessions = new LinkedHashMap<>();

    Sessions(InstantSource clock) {
        this.clock = clock;
    }

    /// Begins one.
    ///
    /// @return the secret for the cookie
    String begin(Role role) {
        String secret = AccessTokens.random();
        synchronized (sessions) {
            if (sessions.size() >= MAX) {
                sessions.remove(sessions.keySet().iterator().next());
            }
            sessions.put(secret, new Session(role, clock.instant().plus(LIFE)));
        }
        return secret;
    }

    /// Whose cookie it is. Secrets are compared by their hash first, whose time tells nothing of a random text.
    Optional<Role> role(String secret) {
        synchronized (sessions) {
            Session session = sessions.get(secret);
            if (session == null) {
                return Optional.empty();
            }
            if (!clock.instant().isBefore(session.end)) {
                sessions.remove(secret);
                return Optional.empty();
            }
            return Optional.of(session.role);
        }
    }

    /// Ends one.
    void end(String secret) {
        synchronized (sessions) {
            sessions.remove(secret);
        }
    }
}
