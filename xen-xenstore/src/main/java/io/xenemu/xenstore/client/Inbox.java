package io.xenemu.xenstore.client;

import io.xenemu.xenstore.request.StoreAccess;
import io.xenemu.xenstore.store.Outlet;
import io.xenemu.xenstore.tree.Path;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.concurrent.Executor;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Queued events, and the listeners that will receive them. Guarded by the server's lock, except while listeners
/// are called.
final class Inbox implements Outlet {
    private static final Logger log = LoggerFactory.getLogger(Inbox.class);

    private record Listening(Path path, WatchListener listener) {}

    private record Event(Integer token, String path) {}

    private final StoreAccess access;
    private final Executor executor;
    private final Map<Integer, Listening> watches = new HashMap<>();
    private final LinkedHashSet<Event> events = new LinkedHashSet<>();
    private int lastToken;
    private boolean draining;

    Inbox(StoreAccess access, Executor executor) {
        this.access = access;
        this.executor = executor;
    }

    private void locked(Consumer<Inbox> action) {
        access.enter();
        try {
            action.accept(this);
        } finally {
            access.leave();
        }
    }

    byte[] register(Path path, WatchListener listener) {
        byte[] token = new byte[Integer.BYTES];
        locked(inbox -> {
            watches.put(++lastToken, new Listening(path, listener));
            ByteBuffer.wrap(token).putInt(lastToken);
        });
        return token;
    }

    void unregister(byte[] token) {
        locked(inbox -> watches.remove(ByteBuffer.wrap(token).getInt()));
    }

    @Override
    public void watchEvent(Path path, int skip, byte[] token) {
        int number = ByteBuffer.wrap(token).getInt();
        Listening watch = watches.get(number);
        if (watch != null) {
            // At most one more for each watch: the set holds an event once.
            Path told = events.size() < XenStoreClient.MAX_EVENTS ? path : watch.path;
            events.add(new Event(number, told.toString()));
        }
    }

    @Override
    public @Nullable Runnable flush() {
        if (draining || events.isEmpty()) {
            return null;
        }
        draining = true;
        return () -> executor.execute(this::drain);
    }

    /// The executor has refused. The next event tries again.
    @Override
    public void failed(Throwable failure) {
        log.error("watch listeners cannot be called", failure);
        locked(inbox -> draining = false);
    }

    private void drain() {
        for (Event event = next(); event != null; event = next()) {
            deliver(event);
        }
    }

    private @Nullable Event next() {
        access.enter();
        try {
            if (events.isEmpty()) {
                draining = false;
                return null;
            }
            return events.removeFirst();
        } finally {
            access.leave();
        }
    }

    private void deliver(Event event) {
        Listening watch;
        access.enter();
        try {
            watch = watches.get(event.token);
        } finally {
            access.leave();
        }
        if (watch == null) {
            return;
        }
        try {
            watch.listener.changed(event.path);
        } catch (RuntimeException | Error e) {
            // Our bug, or no memory: the other listeners still have to be called, and the
            // client that made the change is not at fault.
            log.error("a watch listener failed at {}", event.path, e);
        }
    }
}
