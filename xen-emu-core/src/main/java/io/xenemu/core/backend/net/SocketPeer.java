package io.xenemu.core.backend.net;

import com.google.common.primitives.ImmutableIntArray;
import io.xenemu.kvm.socket.StreamSocket;
import java.io.IOException;
import java.nio.file.Path;

/// A program of somebody else's that listens on a Unix socket. It may not be passt: so it gets no frames larger than
/// the guest's MTU.
///
/// @param path of its socket
record SocketPeer(Path path) implements StreamPeer {
    @Override
    public boolean takesSegments() {
        return false;
    }

    @Override
    public StreamSocket connect() throws IOException {
        return StreamSocket.connect(path, LIMIT);
    }

    /// The end of the connection tells it, when a guest uses that.
    @Override
    public void atEnd(Runnable action) {}

    @Override
    public ImmutableIntArray descriptors() {
        return ImmutableIntArray.of();
    }

    @Override
    public void handedOver() {
        // Nobody ends it.
    }

    /// It is not this service's.
    @Override
    public void close() {}

    @Override
    public String toString() {
        return path.toString();
    }
}
