package io.xenemu.core.web;

import java.util.Map;

/// Limits of the JDK's HTTP server, which takes them from the system's properties when its classes are loaded.
final class WebLimits {
    private static final Map<String, String> LIMITS =
            Map.of(
                    // Connections at a time, silent ones too.
                    "jdk.httpserver.maxConnections", "64",
                    // Seconds for a request, from its first byte to the last of its body.
                    "sun.net.httpserver.maxReqTime", "10",
                    // Seconds for an answer. A browser opens a stream anew that ends so.
                    "sun.net.httpserver.maxRspTime", "300",
                    // Seconds for which a connection may stay silent.
                    "sun.net.httpserver.idleInterval", "10",
                    "sun.net.httpserver.maxIdleConnections", "16",
                    // Fields of a request, and their bytes in all.
                    "sun.net.httpserver.maxReqHeaders", "64",
                    "sun.net.httpserver.maxReqHeaderSize", "16384",
                    // Bytes of a body that are read after the answer, to keep the connection.
                    "sun.net.httpserver.drainAmount", "8192");

    private WebLimits() {}

    /// Sets them, as far as an operator has not chosen others.
    static void apply() {
        LIMITS.forEach((name, value) -> {
            if (System.getProperty(name) == null) {
                System.setProperty(name, value);
            }
        });
    }
}
