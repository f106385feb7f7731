package io.xenemu.core.backend.nbd;

import com.google.common.primitives.ImmutableIntArray;
import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.core.backend.block.DiskFeatures;
import io.xenemu.core.backend.block.DiskTransfer;
import io.xenemu.core.backend.block.HandedOverStore;
import io.xenemu.core.backend.nbd.NbdQueue.Phase;
import io.xenemu.core.toolstack.DiskServing;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.kvm.abi.Errno;
import java.io.IOException;
import java.util.Optional;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// A disk behind an NBD server. Submitting never waits: what cannot go at once waits in the queue, so that a server
/// that hangs holds up no thread that serves other disks too.
///
/// When a connection breaks, [NbdRecovery] makes new ones. Requests that were not answered are sent again, after the
/// writes that were acknowledged and not flushed ([WriteJournal]), so that a server's death loses nothing.
///
/// Locks: one, a leaf, which guards the queue and the connections. Nothing is sent, received or completed under it.
public final class NbdStore implements HandedOverStore, NbdMetrics.Counted {
    private final MeterRegistry registry;
    private volatile String name;
    private final DiskFeatures features;
    private final NbdServer server;
    private final NbdExport export;
    private final ReentrantLock lock;
    private final Condition changed;
    private final NbdQueue queue;
    private final NbdSender sender = new NbdSender(this);
    private final NbdRecovery recovery;
    private volatile long bytes;
    private @Nullable NbdMetrics metrics;

    private NbdStore(
            NbdServer server,
            NbdConnection first,
            ReentrantLock lock,
            DiskOptions options,
            MeterRegistry registry) {
        this.registry = registry;
        this.server = server;
        this.lock = lock;
        this.changed = lock.newCondition();
        this.name = options.name();
        this.export = first.export;
        this.bytes = export.size() & -SECTOR;
        this.features = features(export, options);
        this.queue = new NbdQueue(export);
        this.recovery = new NbdRecovery(this, server, export);
    }

    /// How a disk is used.
    ///
    /// @param name for threads and messages: `dom3-vbd-51712`
    /// @param writable whether the guest may write
    /// @param discard whether the guest may discard
    /// @param sectorBytes the guest's sector, or [DiskServing#ANY_SECTOR] for the server's
    public record DiskOptions(String name, boolean writable, boolean discard, int sectorBytes) {}

    /// Connects to a server. The store owns the server, also if this fails.
    ///
    /// @param registry gets the meters when the disk's device is known
    /// @throws NbdException if it cannot be reached, or the export does not fit
    public static NbdStore open(NbdServer server, DiskOptions options, MeterRegistry registry)
            throws NbdException {
        boolean opened = false;
        ReentrantLock lock = new ReentrantLock();
        try {
            NbdConnection first = NbdConnection.open(server, lock.newCondition());
            try {
                check(first.export, options, server);
                NbdStore store = new NbdStore(server, first, lock, options, registry);
                opened = true;
                store.recovery.start(first);
                return store;
            } finally {
                if (!opened) {
                    first.disconnect();
                    first.close();
                }
            }
        } catch (NbdException e) {
            throw e;
        } catch (IOException e) {
            throw new NbdException(e.getMessage() == null ? server.toString() : e.getMessage());
        } finally {
            if (!opened) {
                server.close();
            }
        }
    }

    private static void check(NbdExport export, DiskOptions options, NbdServer server)
            throws NbdException {
        if (export.minimumBlock() > DiskServing.LARGE_SECTOR) {
            throw new NbdException(
                    "%s needs blocks of %d bytes, a disk has at most %d"
                            .formatted(server, export.minimumBlock(), DiskServing.LARGE_SECTOR),
                    true);
        }
        if (options.sectorBytes() != DiskServing.ANY_SECTOR
                && options.sectorBytes() < export.minimumBlock()) {
            throw new NbdException(
                    "%s needs blocks of %d bytes, which sectors of %d bytes do not fit"
                            .formatted(server, export.minimumBlock(), options.sectorBytes()),
                    true);
        }
        if (export.size() < SECTOR) {
            throw new NbdException(server + " has less than one sector", true);
        }
        if (options.writable() && export.isReadOnly()) {
            throw new NbdException(server + " is read-only", true);
        }
    }

    private static DiskFeatures features(NbdExport export, DiskOptions options) {
        int block = Math.max(SECTOR, export.preferredBlock());
        return new DiskFeatures(
                options.writable(),
                export.canFlush(),
                options.writable() && options.discard() && export.canTrim(),
                options.writable() && export.canWriteZeroes(),
                logicalBlock(export),
                DiskFeatures.physicalBlock(block),
                block);
    }

    private static int logicalBlock(NbdExport export) {
        return Math.max(SECTOR, export.minimumBlock());
    }

    @Override
    public DiskFeatures features() {
        return features;
    }

    @Override
    public long bytes() {
        return bytes;
    }

    /// Every request costs the server a message and a turn.
    @Override
    public boolean isFasterJoined() {
        return true;
    }

    /// The journal, and a `qemu-nbd`.
    @Override
    public boolean keepsWrites() {
        return true;
    }

    @Override
    public void belongsTo(PvDevice device) {
        if (metrics != null) {
            return;
        }
        metrics = new NbdMetrics(registry, device.frontend(), device.id(), this);
        name = "dom%d-vbd-%d".formatted(device.frontend().value(), device.id());
        lock.lock();
        try {
            recovery.rename();
        } finally {
            lock.unlock();
        }
    }

    /// The name for threads and messages.
    String name() {
        return name;
    }

    ReentrantLock lock() {
        return lock;
    }

    /// Signalled, under the lock, when the recovery has something to look at.
    Condition changed() {
        return changed;
    }

    /// Guarded by the lock.
    NbdQueue queue() {
        return queue;
    }

    /// Asks the server anew. One that the service runs serves the size that the image had at its start.
    @Override
    public void resize() {
        recovery.size().ifPresent(size -> bytes = Math.max(bytes, size & -SECTOR));
    }

    /// Asks which parts of a range are holes. The answer is empty if the server does not tell. Waits for it; a server
    /// that hangs makes it wait until the connection ends. A guest cannot ask for this, and nothing in the service does
    /// yet.
    ///
    /// @param length 1 to 2^30 bytes
    public NbdExtents extents(long offset, int length) {
        NbdExtents answer = new NbdExtents();
        if (export.allocation() < 0) {
            return answer;
        }
        NbdQuestion question = new NbdQuestion(offset, length);
        NbdConnection next;
        boolean asked;
        lock.lock();
        try {
            asked = queue.ask(question.transfer(), answer);
            next = queue.claim();
        } finally {
            lock.unlock();
        }
        send(next);
        return asked && question.await() == 0 ? answer : new NbdExtents();
    }

    /// The server is not asked.
    @Override
    public long nextData(long from) {
        return from;
    }

    @Override
    public void submit(DiskTransfer transfer) {
        int flags = 0;
        int command =
                switch (transfer.op()) {
                    case READ -> NbdProtocol.CMD_READ;
                    case WRITE -> NbdProtocol.CMD_WRITE;
                    case FLUSH -> NbdProtocol.CMD_FLUSH;
                    case DISCARD -> NbdProtocol.CMD_TRIM;
                    case WRITE_ZEROES -> {
                        flags = features.discard() ? 0 : NbdProtocol.CMD_FLAG_NO_HOLE;
                        yield NbdProtocol.CMD_WRITE_ZEROES;
                    }
                };
        int refused = refusal(transfer);
        NbdConnection next = null;
        if (refused == 0) {
            lock.lock();
            try {
                refused = queue.add(transfer, command, flags) ? 0 : NbdQueue.NO_SERVER;
                next = queue.claim();
            } finally {
                lock.unlock();
            }
        }
        if (refused != 0) {
            transfer.complete(refused);
        }
        send(next);
    }

    private int refusal(DiskTransfer transfer) {
        boolean has =
                switch (transfer.op()) {
                    case READ -> true;
                    case WRITE -> features.writable();
                    case FLUSH -> features.flush();
                    case DISCARD -> features.discard();
                    case WRITE_ZEROES -> features.writeZeroes();
                };
        if (!has) {
            return Errno.EOPNOTSUPP;
        }
        boolean fits =
                !transfer.op().hasData()
                        || (transfer.memory().count() <= NbdRequest.MOST_PIECES
                                && transfer.memory().bytes() == transfer.bytes());
        return fits ? 0 : Errno.EINVAL;
    }

    /// Sends what the queue has for a connection; null for none.
    void send(@Nullable NbdConnection claimed) {
        sender.sendAll(claimed);
    }

    /// Ends a request that was sent and answered, and sends what has room now.
    void end(NbdConnection connection, NbdRequest request) {
        DiskTransfer transfer;
        NbdConnection next;
        int errno;
        boolean own;
        lock.lock();
        try {
            errno = request.errno;
            own = request.transfer() == null;
            transfer = queue.settle(connection, request);
            next = queue.claim();
            if (own) {
                changed.signalAll();
            }
        } finally {
            lock.unlock();
        }
        if (transfer != null) {
            transfer.complete(errno);
        }
        if (own && errno != 0) {
            failChanges(errno);
        }
        send(next);
    }

    /// Fails the writes that wait for room in the journal, since the flush that was to make room has failed.
    private void failChanges(int errno) {
        failEach(queue::takeWaitingChange, errno);
    }

    /// Fails the requests that wait.
    ///
    /// @param last the number of the last one
    void failWaiting(long last) {
        failEach(() -> queue.takeWaiting(last), NbdQueue.NO_SERVER);
    }

    /// @param next takes the next transfer, or gives null; called under the lock
    private void failEach(Supplier<@Nullable DiskTransfer> next, int errno) {
        DiskTransfer transfer;
        do {
            lock.lock();
            try {
                transfer = next.get();
            } finally {
                lock.unlock();
            }
            if (transfer != null) {
                transfer.complete(errno);
            }
        } while (transfer != null);
    }

    /// Notes that a server answers. Under the lock.
    void answered() {
        recovery.answered();
    }

    /// Leaves the connections to the recovery, unless they are left to it already.
    void broken(NbdConnection connection, Throwable reason) {
        lock.lock();
        try {
            if (queue.phase() != Phase.UP || !queue.connections().contains(connection)) {
                return;
            }
            queue.leave(Phase.DOWN);
            recovery.brokenBy(reason);
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    @Override
    public long reconnects() {
        return recovery.reconnects();
    }

    @Override
    public long restarts() {
        return recovery.restarts();
    }

    @Override
    public int inFlight() {
        lock.lock();
        try {
            return queue.inFlight();
        } finally {
            lock.unlock();
        }
    }

    @Override
    public long unflushed() {
        lock.lock();
        try {
            return queue.journal().bytes();
        } finally {
            lock.unlock();
        }
    }

    /// The connections end, and with them whatever touches memory. A server of another machine may still carry out what
    /// it has got.
    @Override
    public void giveUp() {
        lock.lock();
        try {
            recovery.failUnanswered();
            if (queue.phase() == Phase.UP) {
                queue.leave(Phase.DOWN);
                recovery.brokenBy(new NbdException("requests take too long and are given up"));
            }
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    @Override
    public Optional<String> stays() {
        return server.stays();
    }

    @Override
    public ImmutableIntArray descriptors() {
        return server.descriptors();
    }

    @Override
    public void handedOver() {
        server.handedOver();
    }

    /// Flushes, takes leave of the server, and lets it end. Waits for a bounded time.
    @Override
    public void close() {
        if (metrics != null) {
            metrics.close();
        }
        recovery.close();
    }
}
