package io.xenemu.core.backend.nbd;

import com.google.common.primitives.ImmutableIntArray;
import io.xenemu.kvm.socket.StreamSocket;
import java.io.IOException;
import java.util.Optional;

/// The server of one disk: somebody else's, or a process that the service runs. Used by one thread, but for [#close].
public interface NbdServer extends AutoCloseable {
    /// Makes a connection. A server that the service runs is started first if it does not run.
    ///
    /// @throws NbdException if it cannot be made; a final one if it never will
    StreamSocket connect() throws IOException;

    /// Tells why a new connection has ended before its time, if the server can tell more than the connection.
    ///
    /// @param failure of the connection
    IOException explained(IOException failure);

    /// The name of the export.
    String export();

    /// Ends all that the server still does for connections that have ended, as far as this is in the service's power.
    /// Returns after it.
    void abandon();

    /// How often a process was started again, 0 for a server that is not the service's own.
    long restarts();

    /// The reason for which another process of this service cannot have it; empty if it can.
    Optional<String> stays();

    /// The descriptors by which [NbdOpener#received] finds it in another process of this service.
    ImmutableIntArray descriptors();

    /// Another process has it now, and [#close] leaves it as it is.
    void handedOver();

    /// Lets the server end, after its connections: what they have written is on its way to the disk. Waits for it.
    @Override
    void close();
}
