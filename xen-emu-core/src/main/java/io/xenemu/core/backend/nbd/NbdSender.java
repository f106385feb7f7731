package io.xenemu.core.backend.nbd;

import java.io.IOException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Sends the requests of an [NbdStore]. Whoever has submitted one, or has made room for one, sends it, without waiting,
/// and whatever others queue meanwhile; so that nothing is handed to another thread. What a server does not take at
/// once is left to the connection's own sender, a thread that is made when it is first needed.
final class NbdSender {
    private static final Logger log = LoggerFactory.getLogger(NbdSender.class);

    /// Calls in a row that a thread makes for others.
    private static final int MOST_ROUNDS = 16;

    private final NbdStore store;

    NbdSender(NbdStore store) {
        this.store = store;
    }

    /// Sends all that is queued for a connection, and then for others that have no sender.
    ///
    /// @param claimed whose task of sending this thread has taken; null for none
    void sendAll(@Nullable NbdConnection claimed) {
        for (NbdConnection next = claimed; next != null; next = send(next, false)) {
            // Each round gives the task for one connection back.
        }
    }

    /// Sends all that is queued for a connection, and gives the task back.
    ///
    /// @param wait whether this is the connection's sender
    /// @return another connection whose task this thread has now, or null
    private @Nullable NbdConnection send(NbdConnection connection, boolean wait) {
        try {
            for (int round = 0; ; round++) {
                store.lock().lock();
                try {
                    if (!wait && round == MOST_ROUNDS) {
                        leave(connection, false);
                        return store.queue().claim();
                    }
                    if (connection.hasEnded() || !connection.fill()) {
                        release(connection);
                        return store.queue().claim();
                    }
                } finally {
                    store.lock().unlock();
                }
                if (!connection.send(wait)) {
                    break;
                }
                sent(connection);
            }
            store.lock().lock();
            try {
                leave(connection, true);
                return store.queue().claim();
            } finally {
                store.lock().unlock();
            }
        } catch (IOException e) {
            fail(connection, e);
            return null;
        } catch (RuntimeException | Error e) {
            failUnexpectedly(connection, e);
            return null;
        }
    }

    private void release(NbdConnection connection) {
        connection.release();
        if (connection.hasEnded()) {
            store.changed().signalAll();
        }
    }

    /// The task is given back also if the fault is ours: else nobody would send, and the end would wait for ever.
    private void failUnexpectedly(NbdConnection connection, Throwable reason) {
        log.error("{}: a request could not be sent", store.name(), reason);
        fail(connection, reason);
    }

    private void fail(NbdConnection connection, Throwable reason) {
        store.lock().lock();
        try {
            release(connection);
        } finally {
            store.lock().unlock();
        }
        store.broken(connection, reason);
    }

    /// Leaves the task to the connection's sender.
    ///
    /// @param rest whether a part of the last requests is not sent
    private void leave(NbdConnection connection, boolean rest) {
        if (connection.sender() == null && !connection.hasEnded()) {
            // Before it has the task: it may not start. It waits for the lock.
            connection.sender(
                    Thread.ofPlatform()
                            .name(store.name() + "-nbd-send")
                            .daemon()
                            .start(() -> sendWhatIsLeft(connection)));
        }
        if (connection.handOver(rest)) {
            connection.toSender().signalAll();
        } else {
            store.changed().signalAll();
        }
    }

    /// The connection's sender.
    private void sendWhatIsLeft(NbdConnection connection) {
        while (awaitTask(connection)) {
            try {
                if (connection.hasUnsent()) {
                    boolean _ = connection.send(true);
                    sent(connection);
                }
                sendAll(send(connection, true));
            } catch (IOException e) {
                fail(connection, e);
            } catch (RuntimeException | Error e) {
                failUnexpectedly(connection, e);
            }
        }
    }

    private boolean awaitTask(NbdConnection connection) {
        store.lock().lock();
        try {
            while (!connection.takeOver()) {
                if (connection.hasEnded()) {
                    return false;
                }
                connection.toSender().awaitUninterruptibly();
            }
            return true;
        } finally {
            store.lock().unlock();
        }
    }

    /// Marks the requests of a call as sent. One that a quick server has answered meanwhile ends here: its memory was
    /// in use until now.
    private void sent(NbdConnection connection) {
        for (int i = 0; i < connection.batch.count(); i++) {
            NbdRequest request = connection.batch.request(i);
            boolean answered;
            store.lock().lock();
            try {
                request.sent = true;
                answered = request.answered;
            } finally {
                store.lock().unlock();
            }
            if (answered) {
                store.end(connection, request);
            }
        }
    }
}
