package io.xenemu.kvm.testing;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;

/// A TCP port of the loopback that nobody uses.
public final class FreePort {
    private FreePort() {}

    /// One that is free now. Another process may take it before the caller does.
    public static int next() throws IOException {
        try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return free.getLocalPort();
        }
    }
}
