package io.xenemu.core.backend.nbd;

import com.google.common.primitives.ImmutableIntArray;
import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.core.backend.block.DiskChecker;
import io.xenemu.core.backend.block.DiskOpener;
import io.xenemu.core.backend.block.DiskStore;
import io.xenemu.core.toolstack.DiskSpec;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.file.HostFile;
import java.util.List;

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

    /// A process of QEMU's goes on, and gets a further client until the other process ends. So does a server.
    @Override
    public DiskStore received(DiskSpec disk, ImmutableIntArray descriptors) throws Refused {
        if (disk.isFile() && disk.format().equals(DiskSpec.RAW)) {
            return RAW.received(disk, descriptors);
        }
        List<HostFile> files = descriptors.asList().stream().map(HostFile::received).toList();
        if (disk.isRemote()) {
            files.forEach(HostFile::close);
            return open(disk);
        }
        if (files.isEmpty() || files.size() > QemuNbd.MAX_FILES) {
            files.forEach(HostFile::close);
            throw new Refused("%s: %d files of a disk".formatted(disk.target(), files.size()));
        }
        try {
            return store(QemuNbd.received(image(disk), name(disk), files), disk);
        } catch (NbdException e) {
            throw new Refused(e.getMessage());
        }
    }

    /// Looks for a disk that another host has open. A server is asked, as a second client. For an image in another
    /// format or in a Ceph cluster, the program and the key are looked for; it is not opened.
    ///
    /// @param bytes its size at the other host
    /// @param trusts whether the operator answers for it that both hosts see the same
    /// @return what was found, in one line for the operator
    /// @throws Refused with one line for the operator
    public String check(DiskSpec disk, long bytes, boolean trusts) throws Refused {
        if (disk.isRemote()) {
            try (DiskStore store = open(disk)) {
                if (store.bytes() < bytes) {
                    throw new Refused(
                            "%s has %d bytes here, and %d there"
                                    .formatted(disk.target(), store.bytes(), bytes));
                }
            }
            return disk.target() + " answers";
        }
        if (!disk.isFile() || !disk.format().equals(DiskSpec.RAW)) {
            try {
                QemuNbd.of(image(disk), name(disk)).close();
            } catch (NbdException e) {
                throw new Refused(e.getMessage());
            }
        }
        return disk.isFile()
                ? DiskChecker.FILE.check(disk, bytes, trusts)
                : disk.target() + " is in a cluster, which is not asked";
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
