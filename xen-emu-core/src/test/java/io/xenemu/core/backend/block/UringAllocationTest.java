package io.xenemu.core.backend.block;

import io.xenemu.core.toolstack.DeviceKind;
import io.xenemu.core.toolstack.DiskAio;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.kvm.abi.DomId;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// The heap that requests by io_uring need.
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class UringAllocationTest {
    @TempDir Path directory;

    @Test
    void requestsAllocateNothing() throws Exception {
        UringStoreTest.needIoUring();
        Path image = Files.write(directory.resolve("image"), new byte[1 << 20]);
        try (DiskStore store = DiskOpener.raw(image, true, false, DiskAio.IO_URING)) {
            store.belongsTo(new PvDevice(DeviceKind.VBD, DomId.of(3), DomId.DOM0, 1));
            StoreAllocation.assertNone(store, "dom3-vbd-1-uring");
        }
    }
}
