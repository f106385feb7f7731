package io.xenemu.core.web;

import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.util.Set;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;

/// How the page is served.
///
/// @param address where; port 0 for a free one
/// @param tls the certificate; null without TLS
/// @param names by which browsers may call the server, in lower case
/// @param tokens of readers and operators
/// @param proc the folder `/proc`
public record WebSettings(
        InetSocketAddress address,
        @Nullable SSLContext tls,
        Set<String> names,
        AccessTokens tokens,
        Path proc) {
    /// The names of this machine for itself.
    public static final Set<String> LOOPBACK = Set.of("localhost", "127.0.0.1", "::1");

    public WebSettings {
        names = Set.copyOf(names);
    }
}
