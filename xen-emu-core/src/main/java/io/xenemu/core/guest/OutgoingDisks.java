package io.xenemu.core.guest;

import io.xenemu.core.backend.BackendDevice;
import io.xenemu.core.migration.DiskSource;
import java.util.List;

/// The disks whose content goes with a guest. Until it is closed, their writes are noted.
///
/// @param disks in the order of the stream
record OutgoingDisks(List<BackendDevice.DiskCopy> disks) implements AutoCloseable {
    OutgoingDisks {
        disks = List.copyOf(disks);
    }

    List<? extends DiskSource> sources() {
        return disks;
    }

    @Override
    public void close() {
        disks.forEach(BackendDevice.DiskCopy::close);
    }
}
