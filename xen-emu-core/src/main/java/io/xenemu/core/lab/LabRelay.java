package io.xenemu.core.lab;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/// The part of [LabRun] that runs in the lab's xen-emu. It makes the XenStore socket reachable by TCP, and tells the
/// host when services can be reached.
public final class LabRelay implements AutoCloseable {
    /// A file in the shared folder.
    static final String SERVICES_UP = "services-up";

    private final @Nullable SocketRelay relay;

    private LabRelay(@Nullable SocketRelay relay) {
        this.relay = relay;
    }

    /// Called when XenStore and metrics are served.
    ///
    /// @param port the value of `--lab-relay`: the port to listen on, on the loopback interface
    /// @param xenstoreSocket the value of `--xenstore-socket`, or null
    /// @param share the value of [LabMachine#SHARE_VARIABLE]
    public static LabRelay start(int port, @Nullable Path xenstoreSocket, Path share)
            throws IOException {
        SocketRelay relay = null;
        if (xenstoreSocket != null) {
            ServerSocketChannel listener = ServerSocketChannel.open(StandardProtocolFamily.INET);
            listener.bind(new InetSocketAddress(InetAddress.ofLiteral("127.0.0.1"), port));
            UnixDomainSocketAddress target = UnixDomainSocketAddress.of(xenstoreSocket);
            relay = SocketRelay.start("lab-relay", listener, () -> SocketChannel.open(target));
        }
        Files.writeString(share.resolve(SERVICES_UP), "");
        return new LabRelay(relay);
    }

    @Override
    public void close() throws IOException {
        if (relay != null) {
            relay.close();
        }
    }
}
