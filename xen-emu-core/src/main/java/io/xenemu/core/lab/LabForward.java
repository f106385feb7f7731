package io.xenemu.core.lab;

import io.xenemu.kvm.socket.UnixListener;
import java.io.IOException;
import java.net.BindException;
import java.net.InetSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Path;

/// A Unix socket or a TCP port of this host that leads to a TCP port in the lab machine. A client that connects before
/// [#start] waits.
final class LabForward implements AutoCloseable {
    private final ServerSocketChannel listener;
    private final Closer socket;
    private final int port;

    /// Closes the listener and removes its file.
    @FunctionalInterface
    private interface Closer {
        void close() throws IOException;
    }

    private LabForward(ServerSocketChannel listener, Closer socket, int port) {
        this.listener = listener;
        this.socket = socket;
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
        return new LabForward(listener, listener::close, port);
    }

    /// Listens on a Unix socket. Replaces the socket of a service that has ended.
    ///
    /// @param port in the lab machine
    /// @throws LabException when it is in use
    static LabForward unix(Path path, int port) throws IOException {
        UnixListener unix;
        try {
            unix = UnixListener.bind(path);
        } catch (IOException e) {
            throw new LabException(String.valueOf(e.getMessage()), e);
        }
        LabForward forward = new LabForward(unix.channel(), unix::close, port);
        // After SIGTERM nothing else removes its file.
        Runtime.getRuntime().addShutdownHook(new Thread(forward::closeQuietly));
        return forward;
    }

    /// Serves, until closed.
    void start(LabMachine machine) {
        SocketRelay.start("lab-forward-" + port, listener, () -> machine.connect(port));
    }

    private void closeQuietly() {
        try {
            close();
        } catch (IOException e) {
            System.err.println("xen-emu: cannot close a forwarded port: " + e.getMessage());
        }
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }
}
