package io.xenemu.core.backend.nbd;

import com.google.common.primitives.ImmutableIntArray;
import io.xenemu.kvm.socket.StreamSocket;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.Optional;

/// A server that is not the service's own, at an [NbdUri].
///
/// It may still carry out an old write of a connection that has ended when a new connection has already sent a newer
/// one: no client of the protocol can prevent that.
public final class RemoteServer implements NbdServer {
    /// For a connection, and for each answer of the handshake.
    private static final Duration LIMIT = Duration.ofSeconds(10);

    /// A peer that acknowledges nothing for so long is dead.
    private static final Duration DEAD = Duration.ofSeconds(30);

    private final NbdUri uri;

    public RemoteServer(NbdUri uri) {
        this.uri = uri;
    }

    @Override
    public StreamSocket connect() throws IOException {
        return uri.socket() == null
                ? StreamSocket.connect(new InetSocketAddress(uri.host(), uri.port()), LIMIT, DEAD)
                : StreamSocket.connect(uri.socket(), LIMIT);
    }

    @Override
    public IOException explained(IOException failure) {
        return failure;
    }

    @Override
    public String export() {
        return uri.export();
    }

    @Override
    public void abandon() {
        // It is not ours to end.
    }

    @Override
    public long restarts() {
        return 0;
    }

    /// The other process connects as this one has.
    @Override
    public Optional<String> stays() {
        return Optional.empty();
    }

    @Override
    public ImmutableIntArray descriptors() {
        return ImmutableIntArray.of();
    }

    @Override
    public void handedOver() {
        // Its owner ends it.
    }

    @Override
    public void close() {
        // Its owner ends it.
    }

    @Override
    public String toString() {
        return uri.toString();
    }
}
