package io.xenemu.core.control;

import java.io.IOException;
import java.nio.channels.Channel;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/// Closes a connection when its peer takes too long: whoever waits for it, in whatever call, then gets an
/// [java.nio.channels.AsynchronousCloseException]. Unix sockets, and devices, have no time-outs of their own in the
/// JDK.
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
            // In time: nothing is to be closed.
            return;
        } catch (IOException e) {
            // It is closed all the same.
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
