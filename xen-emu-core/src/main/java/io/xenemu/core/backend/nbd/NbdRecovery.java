package io.xenemu.core.backend.nbd;

import com.google.common.util.concurrent.Uninterruptibles;
import io.xenemu.core.backend.block.DiskTransfer;
import io.xenemu.core.backend.nbd.NbdQueue.Phase;
import io.xenemu.kvm.abi.KvmException;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Keeps an [NbdStore] connected: the thread that makes new connections when one breaks, and ends them with the store.
///
/// One broken connection ends all of them, so that what is sent again comes after all that the old ones carried.
final class NbdRecovery {
    private static final Logger log = LoggerFactory.getLogger(NbdRecovery.class);

    /// How long the end of a store waits for a server: to come back, and for the last flush.
    private static final Duration LAST_PATIENCE = Duration.ofSeconds(10);

    /// Behind the disk's name in those of the threads.
    private static final String THREAD = "-nbd";

    private static final String RECEIVER = "-nbd-recv";

    private final NbdStore store;
    private final NbdServer server;
    private final NbdConnector connector;
    private @Nullable Thread thread;

    // Under the store's lock.
    private final NbdOutage outage = new NbdOutage();
    private boolean closing;

    /// The number of the last request that is given up, 0 if none is.
    private long givenUp;

    private long closingSince;

    NbdRecovery(NbdStore store, NbdServer server, NbdExport export) {
        this.store = store;
        this.server = server;
        this.connector = new NbdConnector(store, server, export);
    }

    /// Begins with a connection that has been made.
    void start(NbdConnection first) {
        use(connector.more(first));
        thread = Thread.ofPlatform().name(store.name() + THREAD).daemon().start(this::run);
    }

    /// Gives the threads the store's new name. Under the store's lock.
    void rename() {
        if (thread != null) {
            thread.setName(store.name() + THREAD);
        }
        store.queue().connections().forEach(each -> each.rename(store.name() + RECEIVER));
    }

    /// Requests that wait are to fail. Under the store's lock.
    void failUnanswered() {
        givenUp = store.queue().sequence();
    }

    private void failGivenUp() {
        long last;
        store.lock().lock();
        try {
            last = givenUp;
            givenUp = 0;
        } finally {
            store.lock().unlock();
        }
        store.failWaiting(last);
    }

    /// Notes why connections are to be made. Under the store's lock.
    void brokenBy(Throwable reason) {
        if (outage.broken(!closing)) {
            log.warn("{}: {}; connecting again", store.name(), reason.getMessage());
        }
    }

    /// Notes that a request has been answered. Under the store's lock.
    void answered() {
        outage.answered();
    }

    long reconnects() {
        store.lock().lock();
        try {
            return outage.count();
        } finally {
            store.lock().unlock();
        }
    }

    long restarts() {
        return server.restarts();
    }

    /// The export's size as the server says it now, in bytes; empty if it does not.
    OptionalLong size() {
        return connector.size();
    }

    /// Ends the store also after a bug: nobody else would answer its requests, or end its server.
    private void run() {
        try {
            do {
                while (awaitWork()) {
                    stop();
                    failGivenUp();
                    server.abandon();
                    reconnect();
                }
            } while (!flush());
        } catch (RuntimeException | Error e) {
            log.error("{}: the disk has failed", store.name(), e);
        } finally {
            end();
        }
    }

    /// Waits until connections are broken.
    ///
    /// @return false if the store ends
    private boolean awaitWork() {
        store.lock().lock();
        try {
            while (true) {
                Phase phase = store.queue().phase();
                if (phase == Phase.DOWN && !(closing && isEnough())) {
                    return true;
                }
                if (closing) {
                    return false;
                }
                store.changed().awaitUninterruptibly();
            }
        } finally {
            store.lock().unlock();
        }
    }

    /// Whether a store that ends need not be connected again: nothing would be lost, or it takes too long.
    private boolean isEnough() {
        return store.queue().journal().bytes() == 0 || isLate();
    }

    private boolean isLate() {
        return System.nanoTime() - closingSince > LAST_PATIENCE.toNanos();
    }

    /// Ends the connections and all threads that use them. Their requests wait.
    private void stop() {
        List<NbdConnection> connections;
        store.lock().lock();
        try {
            connections = store.queue().connections();
            connections.forEach(NbdConnection::end);
            while (connections.stream().anyMatch(NbdConnection::isSending)) {
                store.changed().awaitUninterruptibly();
            }
        } finally {
            store.lock().unlock();
        }
        connections.forEach(NbdConnection::join);
        List<DiskTransfer> failed;
        store.lock().lock();
        try {
            failed = store.queue().requeue();
        } finally {
            store.lock().unlock();
        }
        connections.forEach(NbdConnection::close);
        failed.forEach(transfer -> transfer.complete(NbdQueue.NO_SERVER));
    }

    private void reconnect() {
        while (awaitTurn()) {
            failGivenUp();
            try {
                List<NbdConnection> fresh = connector.connect();
                tellConnected();
                use(fresh);
                return;
            } catch (IOException | KvmException e) {
                if (!goOn(e)) {
                    return;
                }
            }
        }
    }

    /// Waits before an attempt to connect: longer each time, unless a server has answered since.
    ///
    /// @return false if the store ends, and needs none
    private boolean awaitTurn() {
        store.lock().lock();
        try {
            if (closing && isEnough()) {
                return false;
            }
            Duration pause = outage.nextPause();
            if (!pause.isZero()) {
                awaitChange(closing ? NbdOutage.FIRST_PAUSE : pause);
            }
            return true;
        } finally {
            store.lock().unlock();
        }
    }

    private void tellConnected() {
        store.lock().lock();
        try {
            if (outage.connected()) {
                log.info("{}: connected again", store.name());
            }
        } finally {
            store.lock().unlock();
        }
    }

    @SuppressWarnings("WaitNotInLoop") // a wake-up too early is another look
    private void awaitChange(Duration limit) {
        boolean _ = Uninterruptibles.awaitUninterruptibly(store.changed(), limit);
    }

    /// Decides what a failure to connect means for the requests.
    ///
    /// @return whether to try again
    private boolean goOn(Exception failure) {
        boolean isFinal = failure instanceof NbdException refusal && refusal.isFinal();
        boolean fails;
        store.lock().lock();
        try {
            fails = isFinal || (outage.isLong() && store.queue().phase() == Phase.DOWN);
            if (fails) {
                store.queue().leave(isFinal ? Phase.BROKEN : Phase.FAILED);
            }
        } finally {
            store.lock().unlock();
        }
        if (fails) {
            log.error(
                    "{}: the disk has failed{}: {}",
                    store.name(),
                    isFinal ? "" : " until the server is back",
                    failure.getMessage());
            store.failWaiting(Long.MAX_VALUE);
        }
        return !isFinal;
    }

    /// Lets requests go to connections.
    private void use(List<NbdConnection> fresh) {
        for (NbdConnection connection : fresh) {
            connection.reader(
                    Thread.ofPlatform()
                            .name(store.name() + RECEIVER)
                            .daemon()
                            .unstarted(new NbdReceiver(store, connection)));
        }
        NbdConnection next;
        store.lock().lock();
        try {
            store.queue().use(fresh);
            fresh.forEach(NbdConnection::startReader);
            next = store.queue().claim();
        } finally {
            store.lock().unlock();
        }
        store.send(next);
    }

    /// Brings what was acknowledged to the disk, before the store ends.
    ///
    /// @return false if a connection broke, so that it has to be tried again
    private boolean flush() {
        NbdConnection next;
        store.lock().lock();
        try {
            if (store.queue().journal().bytes() > 0) {
                store.queue().startFlush();
            }
            next = store.queue().claim();
        } finally {
            store.lock().unlock();
        }
        store.send(next);
        store.lock().lock();
        try {
            while (store.queue().isFlushing() && store.queue().phase() == Phase.UP && !isLate()) {
                awaitChange(NbdOutage.FIRST_PAUSE);
            }
            if (store.queue().phase() == Phase.DOWN && !isEnough()) {
                return false;
            }
            return true;
        } finally {
            store.lock().unlock();
        }
    }

    /// Takes leave of the server, and gives everything back.
    private void end() {
        List<NbdConnection> idle;
        store.lock().lock();
        try {
            long lost = store.queue().journal().bytes();
            if (lost > 0) {
                log.error("{}: {} bytes of writes may not be on the disk", store.name(), lost);
            }
            store.queue().leave(Phase.BROKEN);
            idle =
                    store.queue().connections().stream()
                            .filter(connection -> !connection.isSending())
                            .toList();
        } finally {
            store.lock().unlock();
        }
        idle.forEach(NbdConnection::disconnect);
        stop();
        store.failWaiting(Long.MAX_VALUE);
        server.close();
        store.queue().journal().close();
    }

    /// Ends the store: a flush, the server's end, and then the thread's. Waits for all of it.
    void close() {
        store.lock().lock();
        try {
            if (!closing) {
                closing = true;
                closingSince = System.nanoTime();
                store.changed().signalAll();
            }
        } finally {
            store.lock().unlock();
        }
        if (thread != null) {
            Uninterruptibles.joinUninterruptibly(thread);
        }
    }
}
