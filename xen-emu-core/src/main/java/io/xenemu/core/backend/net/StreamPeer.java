package io.xenemu.core.backend.net;

import com.google.common.primitives.ImmutableIntArray;
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

    /// The descriptors by which another process of this service knows the program as its own; none if it is somebody
    /// else's.
    ImmutableIntArray descriptors();

    /// Another process has the program now: [#close] does not end it.
    void handedOver();

    /// Ends it, if it is this service's, within a bounded time. Its socket is closed. Calling it twice is allowed.
    @Override
    void close();
}
