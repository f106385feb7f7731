package io.xenemu.core.backend.block;

import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.core.backend.BackendDevice;
import io.xenemu.core.backend.BackendKind;
import io.xenemu.core.backend.Handshake;
import io.xenemu.core.toolstack.DeviceKind;
import io.xenemu.core.toolstack.DeviceSpec;
import io.xenemu.core.toolstack.DiskServing;
import io.xenemu.core.toolstack.DiskSpec;
import io.xenemu.core.toolstack.Refused;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/// Disks.
public final class BlockKind implements BackendKind {
    /// The time after which the timer's thread ends if no disk with a limit needs it.
    private static final long IDLE_SECONDS = 10;

    private final DiskOpener opener;
    private final MeterRegistry registry;
    private final ScheduledThreadPoolExecutor timer =
            new ScheduledThreadPoolExecutor(
                    1, Thread.ofPlatform().daemon().name("block-limits").factory());

    /// @param opener finds their bytes
    /// @param registry has their meters
    public BlockKind(DiskOpener opener, MeterRegistry registry) {
        this.opener = opener;
        this.registry = registry;
        timer.setKeepAliveTime(IDLE_SECONDS, TimeUnit.SECONDS);
        timer.allowCoreThreadTimeOut(true);
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
        return new BlockBackend(
                shown(disk, opener.open(disk)),
                new DiskThrottle(disk.rates(), System.nanoTime()),
                timer,
                registry);
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
