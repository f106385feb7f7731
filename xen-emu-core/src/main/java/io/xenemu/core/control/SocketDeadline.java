package io.xenemu.core.control;

import java.io.IOException;
import java.nio.channels.Channel;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/// Closes a connection when its peer takes too long. A thread that waits for the peer, in any call, then gets a
/// [java.nio.channels.AsynchronousCloseException]. In the JDK, Unix sockets and devices have no time-outs of their own.
public final class SocketDeadline implements AutoCloseable {
    private final @Nullable Thread timer;
    private volatile boolean passed;

    private SocketDeadline(Channel channel, @Nullable Duration limit) {
        timer =
                limit == null
                        ? null
                        : Thread.ofVirtual().name("deadline").start(() -> expire(channel, limit));
    }

    /// Begins to count.
    ///
    /// @param limit null for none
    public static SocketDeadline of(Channel channel, @Nullable Duration limit) {
        return new SocketDeadline(channel, limit);
    }

    private void expire(Channel channel, Duration limit) {
        try {
            Thread.sleep(limit);
            passed = true;
            channel.close();
        } catch (InterruptedException e) {
            // Cancelled in time, so nothing has to be closed.
            return;
        } catch (IOException e) {
            // The channel is closed even so.
            return;
        }
    }

    /// Whether the time ran out.
    public boolean passed() {
        return passed;
    }

    /// Counts no longer.
    @Override
    public void close() {
        if (timer != null) {
            timer.interrupt();
        }
    }
}
