package io.xenemu.xenstore.client;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.request.StoreAccess;
import io.xenemu.xenstore.store.CommitTurns;
import io.xenemu.xenstore.store.Session;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.wire.Request;
import java.util.concurrent.Executor;
import java.util.concurrent.locks.LockSupport;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A client in this process, with the rights of domain 0. Thread-safe.
public final class XenStoreClient extends StoreView implements AutoCloseable {
    /// Attempts after which a transaction that keeps conflicting is given up.
    private static final int TRANSACTION_TRIES = 100;

    /// Pause between attempts, in nanoseconds, once other clients may get a turn: all attempts together outlast a
    /// turn.
    private static final long TURN_PAUSE_NANOS = 2 * CommitTurns.TURN_NANOS / TRANSACTION_TRIES;

    private static final Logger log = LoggerFactory.getLogger(XenStoreClient.class);

    /// The operations of a transaction. They run again after a conflict with an outside change, so they must have no
    /// side effects.
    @FunctionalInterface
    public interface Body<T> {
        /// Reads and changes through `view`.
        T run(StoreView view) throws XenError;
    }

    /// Events that may wait for the listeners, each of at most 3 KiB, the longest path. Guests cause events by
    /// creating nodes below a watch of the host; a listener this far behind looks at everything anyway. Guests make
    /// no clients of this kind: a service has one that watches.
    public static final int MAX_EVENTS = 1024;

    private final Inbox inbox;

    /// Connects a client; users call `XenStoreServer.client()`.
    ///
    /// @param executor runs the listeners of its watches, one at a time and in order
    public XenStoreClient(StoreAccess access, Executor executor) {
        this(access, new Inbox(access, executor));
    }

    private XenStoreClient(StoreAccess access, Inbox inbox) {
        super(access, connect(access, inbox));
        this.inbox = inbox;
    }

    private static Session connect(StoreAccess access, Inbox inbox) {
        access.enter();
        try {
            return access.connect(DomId.DOM0, inbox);
        } finally {
            access.leave();
        }
    }

    /// Runs `body` in a transaction: all of its changes become visible at once, and everything that it read is still
    /// true then.
    ///
    /// @throws XenError the error of `body`, after which nothing is changed; EAGAIN after many conflicts
    public <T> T transaction(Body<T> body) throws XenError {
        for (int tries = 1; ; tries++) {
            int id = locked(store -> store.startTransaction(session, 0));
            T result = run(body, id);
            try {
                end(id, true);
                return result;
            } catch (XenError e) {
                if (e != XenError.EAGAIN || tries == TRANSACTION_TRIES) {
                    throw e;
                }
                if (tries >= CommitTurns.FAILURES) {
                    LockSupport.parkNanos(TURN_PAUSE_NANOS);
                }
            }
        }
    }

    private <T> T run(Body<T> body, int id) throws XenError {
        boolean done = false;
        try {
            T result = body.run(new InTransaction(access, session, id));
            done = true;
            return result;
        } finally {
            if (!done) {
                end(id, false);
            }
        }
    }

    private void end(int id, boolean commit) throws XenError {
        locked(store -> {
            store.endTransaction(session, id, commit);
            return id;
        });
    }

    /// Watches a path, existing or not, or a special watch. The listener is called once at the start. For a listener
    /// that falls far behind, changes below the path are merged into one event of the path itself.
    ///
    /// @return closing it ends the watch; an event on its way may still be delivered
    public Registration watch(String path, WatchListener listener) {
        Path watched = Path.of(path);
        byte[] token = inbox.register(watched, listener);
        try {
            locked(store -> {
                store.watch(
                                session,
                                new Request.Watch(watched, false, token, Request.Watch.ANY_DEPTH))
                        .fire(watched);
                return token;
            });
        } catch (XenError e) {
            throw new IllegalStateException("tokens are unique and domain 0 has no quota", e);
        }
        return () -> {
            inbox.unregister(token);
            try {
                locked(store -> {
                    store.unwatch(session, watched, token);
                    return token;
                });
            } catch (XenError e) {
                log.debug("watch on {} was closed twice", watched);
            }
        };
    }

    /// An active watch.
    @FunctionalInterface
    public interface Registration extends AutoCloseable {
        @Override
        void close();
    }

    /// Ends all watches and transactions of this client.
    @Override
    public void close() {
        access.enter();
        try {
            access.store().reset(session);
        } finally {
            access.leave();
        }
    }
}
