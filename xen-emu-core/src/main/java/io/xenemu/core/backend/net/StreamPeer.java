package io.xenemu.core.backend.net;

import io.xenemu.kvm.socket.StreamSocket;
import java.io.IOException;
import java.time.Duration;

/// The program at the other end of a [FrameStream]. One thread connects, and any may close; `toString` names it for
/// the operator.
interface StreamPeer extends AutoCloseable {
    /// The limit of a connection. To a Unix socket it waits only for room in the listener's queue.
    Duration LIMIT = Duration.ofSeconds(5);

    /// Whether it takes frames of more than the guest's MTU, as segments of TCP that nobody has split yet.
    boolean takesSegments();

    /// Connects to it, and starts it first if it is this service's.
    ///
    /// @throws IOException with one line for the operator
    StreamSocket connect() throws IOException;

    /// Calls an action when the program to which the last [#connect] went has ended, if that can be known.
    void atEnd(Runnable action);

    /// Ends it, if it is this service's, within a bounded time. Its socket is closed. Calling it twice is allowed.
    @Override
    void close();
}
