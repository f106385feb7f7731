package io.xenemu.core.backend.block;

import com.google.common.primitives.ImmutableIntArray;
import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.core.backend.BackendDevice;
import io.xenemu.core.backend.BackendKind;
import io.xenemu.core.backend.Handshake;
import io.xenemu.core.toolstack.DeviceKind;
import io.xenemu.core.toolstack.DeviceSpec;
import io.xenemu.core.toolstack.DiskServing;
import io.xenemu.core.toolstack.DiskSpec;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// Disks.
public final class BlockKind implements BackendKind.Received, BackendKind.Copied {
    /// The time after which the timer's thread ends if no disk with a limit needs it.
    private static final long IDLE_SECONDS = 10;

    private final DiskOpener opener;
    private final DiskChecker checker;
    private final DiskCopier copier;
    private final MeterRegistry registry;
    private final ScheduledThreadPoolExecutor timer =
            new ScheduledThreadPoolExecutor(
                    1, Thread.ofPlatform().daemon().name("block-limits").factory());

    /// @param opener finds their bytes
    /// @param checker looks for those of guests that are to come
    /// @param registry has their meters
    public BlockKind(DiskOpener opener, DiskChecker checker, MeterRegistry registry) {
        this(opener, checker, DiskCopier.FILE, registry);
    }

    /// @param copier makes those of guests that come with their content
    public BlockKind(
            DiskOpener opener, DiskChecker checker, DiskCopier copier, MeterRegistry registry) {
        this.opener = opener;
        this.checker = checker;
        this.copier = copier;
        this.registry = registry;
        timer.setKeepAliveTime(IDLE_SECONDS, TimeUnit.SECONDS);
        timer.allowCoreThreadTimeOut(true);
        timer.setRemoveOnCancelPolicy(true);
    }

    /// Wake-ups of queues that are due later.
    int wakeUps() {
        return timer.getQueue().size();
    }

    @Override
    public DeviceKind kind() {
        return DeviceKind.VBD;
    }

    @Override
    public Handshake handshake() {
        return Handshake.INITIALISED;
    }

    @Override
    public BackendDevice open(DeviceSpec spec) throws Refused {
        DiskSpec disk = (DiskSpec) spec;
        return device(disk, disk, ClaimedStore.open(opener, disk), null);
    }

    /// @param known the disk as its guest is shown it
    private BlockBackend device(
            DiskSpec spec, DiskSpec known, ClaimedStore store, @Nullable BlockState saved)
            throws Refused {
        return new BlockBackend(
                spec,
                shown(known, store),
                store,
                saved,
                new DiskThrottle(spec.rates(), System.nanoTime()),
                timer,
                registry);
    }

    /// With the sector that the guest knows. The disk may have grown.
    @Override
    public BackendDevice.Savable reopen(int version, BodyReader body)
            throws WireException, Refused {
        BlockState state = BlockStateCodec.decode(version, body);
        DiskSpec known = state.spec().withSector(state.sectorBytes());
        return reopened(state, known, ClaimedStore.reopen(opener, known));
    }

    /// What it needs is what the other process has had open.
    @Override
    public BackendDevice.Savable receive(
            int version, BodyReader body, ImmutableIntArray descriptors)
            throws WireException, Refused {
        BlockState state = BlockStateCodec.decode(version, body);
        DiskSpec known = state.spec().withSector(state.sectorBytes());
        return reopened(
                state, known, ClaimedStore.of(opener, known, opener.received(known, descriptors)));
    }

    private BlockBackend reopened(BlockState state, DiskSpec known, ClaimedStore store)
            throws Refused {
        long bytes = store.bytes();
        if (bytes < state.bytes()) {
            store.close();
            throw new Refused(
                    "%s has %d bytes, and had %d when the guest was saved"
                            .formatted(known.target(), bytes, state.bytes()));
        }
        return device(state.spec(), known, store, state);
    }

    @Override
    public String check(int version, BodyReader body, boolean trusts)
            throws WireException, Refused {
        BlockState state = BlockStateCodec.decode(version, body);
        return checker.check(state.spec().withSector(state.sectorBytes()), state.bytes(), trusts);
    }

    @Override
    public CopyPlace place(int version, BodyReader body, long bytes, boolean replaces)
            throws WireException, Refused {
        BlockState state = BlockStateCodec.decode(version, body);
        requireRaw(state.spec());
        return copier.place(state.spec(), state.bytes(), bytes, replaces);
    }

    @Override
    public IncomingDisk copy(int version, BodyReader body, boolean replaces)
            throws WireException, Refused {
        BlockState state = BlockStateCodec.decode(version, body);
        requireRaw(state.spec());
        return copier.copy(state.spec(), state.bytes(), replaces);
    }

    /// Checks that the content of a disk can go with its guest.
    static void requireRaw(DiskSpec disk) throws Refused {
        if (!disk.isFile() || !disk.format().equals(DiskSpec.RAW)) {
            throw new Refused(
                    "%s has the format %s: only raw images are copied"
                            .formatted(disk.target(), disk.format()));
        }
    }

    @Override
    public BodyWriter encode(DeviceSpec spec) {
        return BlockStateCodec.encode(new BlockState((DiskSpec) spec, 0, DiskStore.SECTOR, null));
    }

    @Override
    public int version() {
        return BlockStateCodec.VERSION;
    }

    @Override
    public DeviceSpec decode(int version, BodyReader body) throws WireException {
        return BlockStateCodec.decode(version, body).spec();
    }

    /// Closes the store if the guest cannot be shown it.
    private static BlockDisk shown(DiskSpec disk, DiskStore store) throws Refused {
        DiskFeatures features = store.features();
        boolean writable = disk.writable() && features.writable();
        int asked = disk.serving().sectorBytes();
        BlockDisk shown =
                new BlockDisk(
                        store,
                        writable,
                        writable && disk.discard() && features.discard(),
                        disk.cdrom(),
                        asked == DiskServing.ANY_SECTOR ? features.logicalBlock() : asked);
        if (shown.sectors() == 0) {
            store.close();
            throw new Refused(
                    "%s has less than one sector of %d bytes"
                            .formatted(disk.target(), shown.sectorBytes()));
        }
        return shown;
    }
}
