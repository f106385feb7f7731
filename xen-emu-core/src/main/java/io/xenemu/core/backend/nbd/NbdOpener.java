package io.xenemu.core.backend.nbd;

import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.core.backend.block.DiskOpener;
import io.xenemu.core.backend.block.DiskStore;
import io.xenemu.core.toolstack.DiskSpec;
import io.xenemu.core.toolstack.Refused;

/// Opens every disk that the service serves: raw ones itself, those in another format or in a Ceph cluster by a process
/// of QEMU's, and those at `nbd://` and `nbd+unix://` from their server.
///
/// @param registry has the disks' meters
public record NbdOpener(MeterRegistry registry) implements DiskOpener {
    @Override
    public DiskStore open(DiskSpec disk) throws Refused {
        boolean isRaw = disk.format().equals(DiskSpec.RAW);
        boolean isServed = NbdUri.isOne(disk.target());
        boolean isRbd = RbdImage.isOne(disk.target());
        if (isRaw && !isServed && !isRbd) {
            if (!disk.serving().keyFile().isEmpty()) {
                throw new Refused("key-file: format raw has no key");
            }
            return RAW.open(disk);
        }
        try {
            if (!isServed) {
                return store(QemuNbd.of(image(disk), name(disk)), disk);
            }
            if (!isRaw || !disk.serving().keyFile().isEmpty()) {
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

    private static DiskImage image(DiskSpec disk) throws Refused, NbdException {
        ImageFormat format =
                ImageFormat.of(disk.format())
                        .orElseThrow(
                                () -> new Refused("format " + disk.format() + ": not supported"));
        String key = disk.serving().keyFile();
        return new DiskImage(
                ImageSource.of(disk.target()),
                format,
                key.isEmpty() ? null : DiskOpener.path(key),
                disk.writable(),
                disk.discard(),
                disk.directIoSafe());
    }
}
