package io.xenemu.core.lab;

import java.io.IOException;
import java.net.BindException;
import java.net.InetSocketAddress;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;

/// A Unix socket or a TCP port of this host that leads to a TCP port in the lab machine. Who connects before {@link #start} waits.
final class LabForward implements AutoCloseable {
    private final ServerSocketChannel listener;
    private final int port;

    private LabForward(ServerSocketChannel listener, int port) {
        this.listener = listener;
        this.port = port;
    }

    /// Listens on a TCP port.
    ///
    /// @param port in the lab machine
    /// @throws LabException when it is in use
    static LabForward tcp(InetSocketAddress address, int port) throws IOException {
        String name = address.getHostString() + ":" + address.getPort();
        if (address.isUnresolved()) {
            throw new LabException("unknown host in " + name);
        }
        ServerSocketChannel listener = ServerSocketChannel.open();
        try {
            listener.bind(address);
        } catch (BindException e) {
            listener.close();
            throw new LabException("cannot listen on " + name + ": " + e.getMessage(), e);
        }
        return new LabForward(listener, port);
    }

    /// Listens on a Unix socket for this user. What a service that has ended left behind is replaced.
    ///
    /// @param port in the lab machine
    /// @throws LabException when it is in use
    static LabForward unix(Path path, int port) throws IOException {
        UnixDomainSocketAddress address = UnixDomainSocketAddress.of(path);
        if (Files.exists(path)) {
            try (SocketChannel other = SocketChannel.open(address)) {
                throw new LabException(path + " is in use: " + other);
            } catch (LabException e) {
                throw e;
            } catch (IOException nobodyListens) {
                Files.delete(path);
            }
        }
        ServerSocketChannel listener = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        try {
            listener.bind(address);
            Files.setPosixFilePermissions(path, PosixFilePermissions.fromString("rw-------"));
            // After SIGTERM nothing else does.
            path.toFile().deleteOnExit();
        } catch (IOException e) {
            listener.close();
            throw new LabException("cannot listen on " + path + ": " + e.getMessage(), e);
        }
        return new LabForward(listener, port);
    }

    /// Serves, until closed.
    void start(LabMachine machine) {
        SocketRelay.start("lab-forward-" + port, listener, () -> machine.connect(port));
    }

    @Override
    public void close() throws IOException {
        var address = listener.isOpen() ? listener.getLocalAddress() : null;
        listener.close();
        if (address instanceof UnixDomainSocketAddress unix) {
            Files.deleteIfExists(unix.getPath());
        }
    }
}
