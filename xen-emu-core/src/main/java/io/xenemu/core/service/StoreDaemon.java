package io.xenemu.core.service;

import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.core.hypervisor.HostException;
import io.xenemu.kvm.abi.IoReason;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.socket.StreamListener;
import io.xenemu.xenstore.XenStoreServer;
import io.xenemu.xenstore.metrics.XenStoreMetrics;
import io.xenemu.xenstore.persist.Journal;
import io.xenemu.xenstore.persist.JournalMetrics;
import io.xenemu.xenstore.ring.GuestDomains;
import io.xenemu.xenstore.stream.MigrationStream;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A XenStore alone, for host tools, in the foreground.
public final class StoreDaemon {
    private static final long STOP_SECONDS = 10;

    private static final Logger log = LoggerFactory.getLogger(StoreDaemon.class);

    private final StoreDaemonRequest request;
    private final CountDownLatch stop = new CountDownLatch(1);
    private final CountDownLatch ended = new CountDownLatch(1);
    private volatile @Nullable HostException failure;

    public StoreDaemon(StoreDaemonRequest request) {
        this.request = request;
    }

    /// Serves until [#stop].
    ///
    /// @throws HostException if a file, socket or port is not available, or cannot be used any more
    public void run() throws HostException {
        try (Resources open = new Resources()) {
            PidFile pid = PidFile.lock(request.pidFile(), open);
            ServiceMetrics metrics =
                    open.add(ServiceMetrics.open(request.metrics()), ServiceMetrics::close);
            Journal journal = journal(open, metrics.registry());
            XenStoreServer server =
                    open.add(
                            new XenStoreServer(
                                    request.quotas(),
                                    GuestDomains.NONE,
                                    new XenStoreMetrics(metrics.registry()),
                                    Runnable::run),
                            XenStoreServer::close);
            restore(server, journal);
            if (journal != null) {
                server.persist(
                        journal,
                        e -> fail("--persist", e)); // its first file holds the restored store
            }
            StreamListener listener = listener();
            Path socket = listener.path();
            server.listen(listener, e -> fail("the socket", e));
            pid.write();
            open.add(HeapTrim.start(), HeapTrim::close);
            metrics.ready();
            log.info("serving {}", socket);
            stop.await();
        } catch (IOException e) {
            throw new HostException(IoReason.of(e), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            ended.countDown();
        }
        HostException failed = failure;
        if (failed != null) {
            throw failed;
        }
    }

    private @Nullable Journal journal(Resources open, MeterRegistry registry) throws HostException {
        Path file = request.persist();
        if (file == null) {
            return null;
        }
        try {
            return open.add(Journal.open(file, new JournalMetrics(registry)), Journal::close);
        } catch (IOException e) {
            throw new HostException("--persist: " + IoReason.of(e), e);
        }
    }

    /// Restores the store from the stream. Connections in it belong to another process, so their clients have to
    /// connect again.
    private void restore(XenStoreServer server, @Nullable Journal journal) throws HostException {
        Path file = request.restore();
        if (file == null) {
            return;
        }
        if (journal != null && journal.recovered() != null) {
            throw new HostException(
                    "--restore: the file of --persist has a newer store already; leave out one of the two options");
        }
        try (InputStream in = new BufferedInputStream(Files.newInputStream(file))) {
            server.restore(
                    MigrationStream.read(in).withoutConnections(),
                    _ -> {
                        throw new IllegalStateException("no domains are restored");
                    });
        } catch (IOException e) {
            throw new HostException("--restore: " + file + ": " + IoReason.withoutFile(e), e);
        } catch (XenError e) {
            throw new HostException(
                    "--restore: "
                            + file
                            + ": it contradicts itself, or exceeds this daemon's limits",
                    e);
        }
    }

    private StreamListener listener() throws IOException, HostException {
        StreamListener inherited = StreamListener.inherited();
        if (request.socket() != null) {
            if (inherited != null) {
                throw new HostException(
                        "--socket: there is a socket already that was passed at the start, "
                                + inherited.path());
            }
            return StreamListener.bindService(request.socket());
        }
        if (inherited != null) {
            return inherited;
        }
        Path path = StoreSocketPath.of(System.getenv());
        Daemon.makeFolderOf(path); // as xenstored does
        return StreamListener.bindService(path);
    }

    private void fail(String what, IOException e) {
        failure = new HostException(what + ": " + IoReason.of(e), e);
        stop.countDown();
    }

    /// Ends [#run], and waits until all is closed.
    public void stop() {
        stop.countDown();
        try {
            ended.await(STOP_SECONDS, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
