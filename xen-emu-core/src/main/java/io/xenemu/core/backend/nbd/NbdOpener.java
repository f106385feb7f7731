package io.xenemu.core.backend.nbd;

import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.core.backend.block.DiskOpener;
import io.xenemu.core.backend.block.DiskStore;
import io.xenemu.core.toolstack.DiskSpec;
import io.xenemu.core.toolstack.Refused;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;

/// Opens every disk that the service serves: raw ones itself, those in another format by `qemu-nbd`, and those at
/// `nbd://` and `nbd+unix://` from their server.
///
/// @param registry has the disks' meters
public record NbdOpener(MeterRegistry registry) implements DiskOpener {
    @Override
    public DiskStore open(DiskSpec disk) throws Refused {
        boolean isRaw = disk.format().equals(DiskSpec.RAW);
        boolean isServed = NbdUri.isOne(disk.target());
        if (isRaw && !isServed) {
            return RAW.open(disk);
        }
        try {
            if (!isServed) {
                return store(QemuNbd.of(image(disk), name(disk)), disk);
            }
            if (!isRaw) {
                throw new Refused("%s: a server's disk is raw".formatted(disk.target()));
            }
            return store(new RemoteServer(NbdUri.parse(disk.target())), disk);
        } catch (NbdException e) {
            throw new Refused(e.getMessage());
        }
    }

    private NbdStore store(NbdServer server, DiskSpec disk) throws NbdException {
        return NbdStore.open(
                server,
                new NbdStore.DiskOptions(
                        name(disk), disk.writable(), disk.discard(), disk.serving().sectorBytes()),
                registry);
    }

    /// Until the domain is known, which is after the disk is open.
    private static String name(DiskSpec disk) {
        return "vbd-" + disk.number();
    }

    private static DiskImage image(DiskSpec disk) throws Refused {
        ImageFormat format =
                ImageFormat.of(disk.format())
                        .orElseThrow(
                                () -> new Refused("format " + disk.format() + ": not supported"));
        try {
            return new DiskImage(
                    Path.of(disk.target()),
                    format,
                    disk.writable(),
                    disk.discard(),
                    disk.directIoSafe());
        } catch (InvalidPathException e) {
            throw new Refused("%s: %s".formatted(disk.target(), e.getReason()));
        }
    }
}
