package io.xenemu.core.hypervisor;

import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import org.jspecify.annotations.Nullable;

/// Hands events to their readers. No reader holds up a thread that tells of an event: a reader that lags by [#MAX_HELD]
/// events gets no more.
public final class EventBoard implements DomainEvents {
    /// The most events that wait for one reader: enough for a host full of guests that all reboot, with a few events
    /// each.
    public static final int MAX_HELD = 1024;

    private final Set<Subscription> readers = ConcurrentHashMap.newKeySet();

    @Override
    public void tell(DomainEvent event) {
        readers.forEach(reader -> reader.add(event));
    }

    /// A new reader. It gets the events from now on.
    public Subscription subscribe() {
        Subscription reader = new Subscription();
        readers.add(reader);
        return reader;
    }

    /// A reader.
    public final class Subscription implements AutoCloseable {
        private final BlockingQueue<DomainEvent> events = new LinkedBlockingQueue<>(MAX_HELD);
        private volatile boolean overrun;

        private Subscription() {}

        private void add(DomainEvent event) {
            // Full: the reader does not wait in take(), and sees this when it comes back.
            if (!events.offer(event)) {
                overrun = true;
            }
        }

        /// Waits for the next event.
        ///
        /// @return null when events have been lost because this reader is too slow
        public @Nullable DomainEvent take() throws InterruptedException {
            return overrun ? null : events.take();
        }

        @Override
        public void close() {
            readers.remove(this);
        }
    }
}
