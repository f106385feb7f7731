package io.xenemu.core.backend.block;

import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.core.backend.BackendDevice;
import io.xenemu.core.backend.BackendKind;
import io.xenemu.core.backend.Handshake;
import io.xenemu.core.toolstack.DeviceKind;
import io.xenemu.core.toolstack.DeviceSpec;
import io.xenemu.core.toolstack.DiskSpec;
import io.xenemu.core.toolstack.Refused;

/// Disks.
///
/// @param opener finds their bytes
/// @param registry has their meters
public record BlockKind(DiskOpener opener, MeterRegistry registry) implements BackendKind {
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
        if (!(spec instanceof DiskSpec disk)) {
            throw new IllegalArgumentException("not a disk: " + spec);
        }
        DiskStore store = opener.open(disk);
        DiskFeatures features = store.features();
        boolean writable = disk.writable() && features.writable();
        return new BlockBackend(
                new BlockDisk(
                        store,
                        writable,
                        writable && disk.discard() && features.discard(),
                        disk.cdrom()),
                registry);
    }
}
