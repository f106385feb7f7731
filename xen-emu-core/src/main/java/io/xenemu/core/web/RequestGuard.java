package io.xenemu.core.web;

import com.google.common.base.Splitter;
import com.google.common.net.HostAndPort;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;

/// Decides whether a request may go on. A page of another site can make a browser send requests here: it cannot choose
/// the fields `Host` and `Origin`, and its requests do not carry the cookie.
final class RequestGuard {
    private static final String BEARER = "Bearer ";

    /// How somebody has shown who he is.
    ///
    /// @param role his
    /// @param byCookie whether a browser has shown it unasked
    record Caller(Role role, boolean byCookie) {}

    private final Set<String> names;
    private final AccessTokens tokens;
    private final Sessions sessions;
    private final String cookie;
    private final boolean isSecure;

    /// @param names by which the server may be called, without ports
    /// @param cookie the name of the cookie
    /// @param isSecure whether the cookie is for TLS alone
    RequestGuard(
            Set<String> names,
            AccessTokens tokens,
            Sessions sessions,
            String cookie,
            boolean isSecure) {
        this.names = Set.copyOf(names);
        this.tokens = tokens;
        this.sessions = sessions;
        this.cookie = cookie;
        this.isSecure = isSecure;
    }

    /// Refuses a request for another host's name. A hostile site's name may lead to this machine (DNS rebinding); the
    /// browser would take its page and ours for the same site.
    void checkHost(WebRequest request) throws WebRefused {
        String host = request.header("Host").orElse("");
        try {
            if (names.contains(HostAndPort.fromString(host).getHost().toLowerCase(Locale.ROOT))) {
                return;
            }
        } catch (IllegalArgumentException e) {
            throw new WebRefused(400, "not a host: the field Host");
        }
        throw new WebRefused(421, "not a name of this server; --name allows one");
    }

    /// Refuses a request that a page of another site has made.
    ///
    /// @param needed whether the field has to be there, as it is with every POST of a browser
    void checkOrigin(WebRequest request, boolean needed) throws WebRefused {
        Optional<String> origin = request.header("Origin");
        if (origin.isEmpty()) {
            if (needed) {
                throw new WebRefused(403, "no field Origin");
            }
            return;
        }
        String own = (isSecure ? "https://" : "http://") + request.header("Host").orElse("");
        if (!origin.get().equalsIgnoreCase(own)) {
            throw new WebRefused(403, "the page of another site has asked");
        }
    }

    /// Who asks.
    ///
    /// @throws WebRefused if he does not show it
    Caller caller(WebRequest request) throws WebRefused {
        Optional<String> authorization = request.header("Authorization");
        if (authorization.isPresent()) {
            String value = authorization.get();
            Role role =
                    value.startsWith(BEARER)
                            ? tokens.role(value.substring(BEARER.length())).orElse(null)
                            : null;
            if (role == null) {
                throw new WebRefused(401, "not a token");
            }
            return new Caller(role, false);
        }
        Role role = secret(request).flatMap(sessions::role).orElse(null);
        if (role == null) {
            throw new WebRefused(401, "no token");
        }
        return new Caller(role, true);
    }

    private Optional<String> secret(WebRequest request) throws WebRefused {
        for (String pair :
                Splitter.on(';').trimResults().split(request.header("Cookie").orElse(""))) {
            if (pair.startsWith(cookie + "=")) {
                return Optional.of(pair.substring(cookie.length() + 1));
            }
        }
        return Optional.empty();
    }

    /// Begins a session for somebody who shows a token.
    ///
    /// @return the field `Set-Cookie`
    String begin(Role role) {
        return setCookie(sessions.begin(role), Sessions.LIFE.toSeconds());
    }

    /// Ends the session of a request, if it has one.
    ///
    /// @return the field `Set-Cookie`
    String end(WebRequest request) throws WebRefused {
        secret(request).ifPresent(sessions::end);
        return setCookie("", 0);
    }

    private String setCookie(String value, long seconds) {
        return "%s=%s; Path=/; Max-Age=%d; HttpOnly; SameSite=Strict%s"
                .formatted(cookie, value, seconds, isSecure ? "; Secure" : "");
    }

    /// The role of a token.
    Optional<Role> role(String token) {
        return tokens.role(token);
    }
}
