package io.xenemu.core.backend.block;

import com.google.common.primitives.ImmutableIntArray;
import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.core.backend.BackendConnection;
import io.xenemu.core.backend.BackendDevice;
import io.xenemu.core.backend.Frontend;
import io.xenemu.core.backend.FrontendError;
import io.xenemu.core.backend.FrontendNodes;
import io.xenemu.core.backend.QueueThread;
import io.xenemu.core.backend.SavedConnection;
import io.xenemu.core.migration.BlockLog;
import io.xenemu.core.toolstack.DiskSpec;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.file.FileStatus;
import io.xenemu.kvm.file.HostFile;
import java.lang.foreign.Arena;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.Set;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One disk of a guest.
final class BlockBackend
        implements BackendDevice.Resizable, BackendDevice.HandedOver, BackendDevice.Copied {
    /// The most queues: as many as Linux's front end makes unless told otherwise.
    static final int MAX_QUEUES = 4;

    /// Binary logarithm of the most pages of a ring: 512 requests, as Linux's back end offers.
    static final int MAX_RING_ORDER = 4;

    private static final String YES = "1";
    private static final String NO = "0";

    // Bits of the node `info` (VDISK_* in public/io/blkif.h).
    private static final int CDROM = 1;
    private static final int READ_ONLY = 4;

    /// The time after a line in the log about failures before the next one.
    private static final Duration LOG_INTERVAL = Duration.ofMinutes(1);

    private static final Logger log = LoggerFactory.getLogger(BlockBackend.class);

    private final DiskSpec spec;
    private final BlockDisk disk;
    private final ClaimedStore store;
    private final DiskThrottle throttle;
    private final ScheduledExecutorService timer;
    private final MeterRegistry registry;
    private @Nullable BlockMetrics metrics;

    /// When the next failure is logged, by `System.nanoTime`.
    private final AtomicLong nextLog = new AtomicLong(System.nanoTime());

    private final SavedConnection<BlockState.Connection> saved;

    /// The size that a restored guest knows, in bytes; for another the disk's.
    private final long savedBytes;

    /// The connection, or null.
    private volatile @Nullable Frontend connected;

    /// @param store that of `disk`
    /// @param saved the state of a restored disk, or null
    /// @param timer wakes queues that wait for the disk's limits
    BlockBackend(
            DiskSpec spec,
            BlockDisk disk,
            ClaimedStore store,
            @Nullable BlockState saved,
            DiskThrottle throttle,
            ScheduledExecutorService timer,
            MeterRegistry registry) {
        this.spec = spec;
        this.saved = new SavedConnection<>("disk", saved == null ? null : saved.connection());
        savedBytes = saved == null ? disk.store().bytes() : saved.bytes();
        this.disk = disk;
        this.store = store;
        this.throttle = throttle;
        this.timer = timer;
        this.registry = registry;
    }

    /// Everything, since Windows reads here what Linux reads when the back end is Connected. `feature-persistent` is
    /// not offered: a mapping costs nothing here, and the guest would copy each page. A front end that keeps its grants
    /// all the same is served.
    @Override
    public SequencedMap<String, String> features(PvDevice device) {
        disk.store().belongsTo(device);
        SequencedMap<String, String> nodes = size();
        nodes.put("multi-queue-max-queues", Integer.toString(MAX_QUEUES));
        nodes.put("max-ring-page-order", Integer.toString(MAX_RING_ORDER));
        nodes.put("max-ring-pages", Integer.toString(1 << MAX_RING_ORDER));
        nodes.put(
                "feature-max-indirect-segments",
                Integer.toString(SlotReader.MAX_INDIRECT_SEGMENTS));
        boolean flushes = disk.writable() && disk.store().features().flush();
        nodes.put("feature-flush-cache", flushes ? YES : NO);
        nodes.put("feature-barrier", flushes ? YES : NO);
        nodes.put("feature-discard", disk.discard() ? YES : NO);
        if (disk.discard()) {
            nodes.put(
                    "discard-granularity",
                    Integer.toString(disk.store().features().discardGranularity()));
            nodes.put("discard-alignment", NO);
            nodes.put("discard-secure", NO);
        }
        return nodes;
    }

    /// The nodes that tell how large the disk is, and what.
    SequencedMap<String, String> size() {
        SequencedMap<String, String> nodes = new LinkedHashMap<>();
        nodes.put("sectors", Long.toString(disk.sectors()));
        nodes.put("sector-size", Integer.toString(disk.sectorBytes()));
        int physical = Math.max(disk.sectorBytes(), disk.store().features().physicalBlock());
        nodes.put("physical-sector-size", Integer.toString(physical));
        int info = (disk.cdrom() ? CDROM : 0) | (disk.writable() ? 0 : READ_ONLY);
        nodes.put("info", Integer.toString(info));
        return nodes;
    }

    @Override
    public BackendConnection connect(Frontend front) throws FrontendError {
        FrontendNodes nodes = front.nodes();
        return connect(
                front,
                abi(nodes),
                (connection, around) -> {
                    for (FrontendNodes queue : nodes.queues(MAX_QUEUES)) {
                        connection.add(queue, around);
                    }
                });
    }

    @Override
    public BackendConnection reconnect(Frontend front) throws FrontendError {
        BlockState.Connection state = saved.take();
        return connect(
                front,
                state.abi(),
                (connection, around) -> {
                    for (BlockState.Queue queue : state.queues()) {
                        connection.restore(queue, around);
                    }
                    if (disk.store().bytes() > savedBytes) {
                        connection.grown();
                    }
                });
    }

    /// Makes the queues of a connection.
    private interface Queues {
        void addTo(BlockConnection connection, QueueSurroundings around) throws FrontendError;
    }

    private BackendConnection connect(Frontend front, BlockAbi abi, Queues queues)
            throws FrontendError {
        BlockMetrics meters = metrics;
        if (meters == null) {
            meters = new BlockMetrics(registry, front.device().frontend(), front.device().id());
            metrics = meters;
        }
        BlockConnection connection = new BlockConnection(this, front, abi);
        boolean complete = false;
        try {
            queues.addTo(
                    connection,
                    new QueueSurroundings(
                            disk, throttle, front.grants(), meters, System::nanoTime));
            complete = true;
            connected = front;
            return connection;
        } finally {
            if (!complete) {
                connection.close();
            }
        }
    }

    /// The layout of the slots. Without the node it is that of 32-bit guests, for others too, as with Linux's and
    /// QEMU's back ends.
    private static BlockAbi abi(FrontendNodes nodes) throws FrontendError {
        String protocol = nodes.text("protocol").orElse("");
        if (protocol.isEmpty()) {
            return BlockAbi.X86_32;
        }
        return BlockAbi.of(protocol)
                .orElseThrow(() ->
                        new FrontendError(
                                XenError.EINVAL, "protocol is neither x86_64-abi nor x86_32-abi"));
    }

    /// The host has failed to do what the guest may ask for. Said once in a minute, as the guest may ask again and
    /// again; the meters have the number.
    void failed(PvDevice device, BlockOp op, int errno) {
        long due = nextLog.get();
        long now = System.nanoTime();
        if (now - due >= 0 && nextLog.compareAndSet(due, now + LOG_INTERVAL.toNanos())) {
            log.warn("{}: the host failed: {}: {}", device, op, Errno.name(errno));
        }
    }

    /// Wakes a queue after a time, unless that is cancelled.
    Future<?> wakeAfter(QueueThread thread, long nanos) {
        return timer.schedule(thread::signal, nanos, TimeUnit.NANOSECONDS);
    }

    /// The connection has ended.
    void disconnected() {
        connected = null;
    }

    @Override
    public synchronized void resize() throws Refused {
        long before = disk.store().bytes();
        try {
            disk.store().resize();
        } catch (KvmException e) {
            throw new Refused("the host cannot tell the disk's size: " + e.getMessage());
        }
        long now = disk.store().bytes();
        if (now == before) {
            throw new Refused("the disk has not grown: it has " + now + " bytes");
        }
        Frontend front = connected;
        if (front != null) {
            front.update(size(), true);
        }
    }

    @Override
    public Saved save(PvDevice device, @Nullable BackendConnection connection) {
        BlockState state =
                new BlockState(
                        spec,
                        disk.store().bytes(),
                        disk.sectorBytes(),
                        connection instanceof BlockConnection current ? current.save() : null);
        return new Saved(BlockStateCodec.VERSION, BlockStateCodec.encode(state));
    }

    @Override
    public DiskSpec spec() {
        return spec;
    }

    /// What is in its way only shows when it stands still.
    @Override
    public Optional<String> blocker() {
        return Optional.empty();
    }

    @Override
    public Optional<String> stays() {
        HandedOverStore handed = store.forAnother();
        return handed == null
                ? Optional.of("what it has open cannot be handed over yet")
                : handed.stays();
    }

    @Override
    public ImmutableIntArray descriptors(@Nullable BackendConnection connection) throws Refused {
        if (connection instanceof BlockConnection current && current.isBusy()) {
            throw new Refused(
                    spec.target() + " has requests in flight, and cannot be handed over with them");
        }
        return forAnother().descriptors();
    }

    @Override
    public void handedOver() {
        forAnother().handedOver();
    }

    private HandedOverStore forAnother() {
        HandedOverStore handed = store.forAnother();
        if (handed == null) {
            throw new IllegalStateException(spec + " stays");
        }
        return handed;
    }

    /// Whether acknowledged writes may be in this process alone.
    boolean keepsWrites() {
        return disk.store().keepsWrites();
    }

    DiskStore store() {
        return disk.store();
    }

    @Override
    public void flush(Duration limit) throws Refused, InterruptedException {
        if (!store.isClaimed()) {
            return;
        }
        Arena arena = Arena.ofShared();
        StoreFlush flush = new StoreFlush(arena);
        Optional<String> failure = flush.run(store, limit);
        // Otherwise the host still has it.
        if (flush.await(Duration.ZERO)) {
            arena.close();
        }
        if (failure.isPresent()) {
            throw new Refused(spec.target() + " " + failure.get());
        }
    }

    @Override
    public void release(@Nullable BackendConnection connection, Duration limit)
            throws Refused, InterruptedException {
        requireQuiet(connection);
        flush(limit);
        store.release();
    }

    /// The servers and clusters of others are seen by other hosts too.
    @Override
    public boolean isHere() {
        return spec.isFile();
    }

    @Override
    public long copiedBytes() throws Refused {
        BlockKind.requireRaw(spec);
        if (store.bytes() > BlockLog.MAX_BYTES) {
            throw new Refused(
                    "%s has %d bytes: a disk that is copied has at most %d"
                            .formatted(spec.target(), store.bytes(), BlockLog.MAX_BYTES));
        }
        try (HostFile file = HostFile.open(DiskOpener.path(spec.target()), Set.of())) {
            if (file.status().kind() != FileStatus.Kind.REGULAR) {
                throw new Refused(spec.target() + " is no file: only raw images are copied");
            }
            return file.allocatedBytes();
        } catch (KvmException e) {
            throw new Refused(spec.target() + ": " + e.getMessage());
        }
    }

    @Override
    public DiskCopy copy() {
        return new OutgoingDisk(store);
    }

    @Override
    public void requireQuiet(@Nullable BackendConnection connection) throws Refused {
        if (connection instanceof BlockConnection current && current.isBusy()) {
            throw new Refused(spec.target() + " has requests in flight");
        }
    }

    /// It may have grown meanwhile.
    @Override
    public void claim(@Nullable BackendConnection connection) throws Refused {
        long before = store.bytes();
        store.claim();
        if (store.bytes() > before && connection instanceof BlockConnection current) {
            current.grown();
        }
    }

    /// Ends what the store can end.
    void giveUp() {
        disk.store().giveUp();
    }

    @Override
    public void close() {
        if (metrics != null) {
            metrics.close();
        }
        disk.store().close();
    }
}
