package io.xenemu.core.backend.nbd;

import java.io.IOException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The thread that reads the replies on one connection of an [NbdStore].
final class NbdReceiver implements Runnable, ReplyReader.Requests {
    private static final Logger log = LoggerFactory.getLogger(NbdReceiver.class);

    private final NbdStore store;
    private final NbdConnection connection;

    NbdReceiver(NbdStore store, NbdConnection connection) {
        this.store = store;
        this.connection = connection;
    }

    /// Reads until the connection ends.
    @Override
    public void run() {
        ReplyReader reader = new ReplyReader(connection.replies, connection.export, this);
        try {
            while (true) {
                reader.readOne();
            }
        } catch (IOException e) {
            store.broken(connection, e);
        } catch (RuntimeException | Error e) {
            log.error("{}: a reply could not be handled", store.name(), e);
            store.broken(connection, e);
        }
    }

    @Override
    public @Nullable NbdRequest find(long cookie) {
        store.lock().lock();
        try {
            return connection.slots.find(cookie);
        } finally {
            store.lock().unlock();
        }
    }

    @Override
    public void answered(NbdRequest request, int errno) {
        boolean sent;
        store.lock().lock();
        try {
            request.errno = errno;
            request.answered = true;
            store.answered();
            sent = request.sent;
        } finally {
            store.lock().unlock();
        }
        if (sent) {
            store.end(connection, request);
        }
    }
}
