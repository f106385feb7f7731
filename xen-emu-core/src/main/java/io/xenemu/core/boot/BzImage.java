package io.xenemu.core.boot;

import java.nio.charset.StandardCharsets;

/// A Linux bzImage, which unpacks itself. It is started at its 64-bit entry point, or, without one, at its 32-bit
/// entry point (Linux Documentation/arch/x86/boot.rst). The offsets are those of the setup header in the file.
///
/// Xen's domain builder unpacks the ELF image inside and starts that by its PVH note. Unpacking it here takes longer
/// than the kernel's own code does, especially with a JVM that has just started. The guest behaves the same: Linux
/// recognises a PVH guest by the ACPI tables.
public final class BzImage implements KernelImage {
    /// The first protocol with `xloadflags`, which says whether there is a 64-bit entry point. Kernels with a PVH
    /// note are newer.
    private static final int MIN_PROTOCOL = 0x20c;

    private static final int SECTOR = 512;
    private static final int SETUP_SECTS = 0x1f1;
    private static final int BOOT_FLAG = 0x1fe;
    private static final int HEADER_LENGTH = 0x201;
    private static final int MAGIC = 0x202;
    private static final int VERSION = 0x206;
    private static final int INITRD_ADDR_MAX = 0x22c;
    private static final int XLOADFLAGS = 0x236;
    private static final int CMDLINE_SIZE = 0x238;
    private static final int PREF_ADDRESS = 0x258;
    private static final int INIT_SIZE = 0x260;
    private static final long HDRS = 0x53726448;
    private static final int DEFAULT_SETUP_SECTS = 4;
    private static final int XLF_KERNEL_64 = 1;
    private static final int ENTRY_64 = 0x200;

    /// Concatenated cpio archives begin at multiples of this.
    private static final int CPIO_ALIGN = 4;

    private final String name;
    private final byte[] setupHeader;
    private final BootContent payload;
    private final boolean wide;
    private final long prefAddress;
    private final long initSize;
    private final long cmdlineSize;
    private final long initrdAddrMax;

    private BzImage(ImageReader file, byte[] setupHeader, BootContent payload)
            throws BootException {
        name = file.name();
        this.setupHeader = setupHeader;
        this.payload = payload;
        wide = (file.u16(XLOADFLAGS) & XLF_KERNEL_64) != 0;
        prefAddress = file.u64(PREF_ADDRESS);
        initSize = Math.max(file.u32(INIT_SIZE), payload.size());
        cmdlineSize = file.u32(CMDLINE_SIZE);
        initrdAddrMax = file.u32(INITRD_ADDR_MAX);
    }

    static boolean hasMagic(ImageReader file) throws BootException {
        return file.has(MAGIC, 4) && file.u32(MAGIC) == HDRS;
    }

    static BzImage parse(ImageReader file) throws BootException {
        if (file.u16(BOOT_FLAG) != 0xaa55) {
            throw file.bad("boot flag missing");
        }
        int version = file.u16(VERSION);
        if (version < MIN_PROTOCOL) {
            throw file.bad(
                    "boot protocol %d.%d is older than 2.12"
                            .formatted(version >> 8, version & 0xff));
        }
        int setupSects = file.u8(SETUP_SECTS);
        long setupSize = (1L + (setupSects == 0 ? DEFAULT_SETUP_SECTS : setupSects)) * SECTOR;
        int headerEnd = Math.min(MAGIC + file.u8(HEADER_LENGTH), BootParams.SETUP_HEADER_END);
        if (headerEnd < INIT_SIZE + 4) {
            throw file.bad("setup header too short");
        }
        if (file.size() <= setupSize + ENTRY_64) {
            throw file.bad("truncated");
        }
        return new BzImage(
                file,
                file.bytes(SETUP_SECTS, headerEnd - SETUP_SECTS),
                file.part(setupSize, file.size() - setupSize));
    }

    /// Loads the kernel at its preferred address, where it also runs if it is not relocatable, and the initramfs as
    /// high as the kernel allows.
    @Override
    public CpuEntry load(BootRequest request) throws BootException {
        byte[] commandLine = request.commandLine().getBytes(StandardCharsets.UTF_8);
        if (commandLine.length > Math.min(cmdlineSize, BootParams.MAX_COMMAND_LINE)) {
            throw new BootException(
                    "%s: command line of %d bytes, the kernel takes %d"
                            .formatted(name, commandLine.length, cmdlineSize));
        }
        var placement = new Placement(request.map());
        if (prefAddress < Placement.LOWEST || !placement.take(prefAddress, initSize)) {
            throw new BootException(
                    "%s: needs %d MiB of memory at 0x%x, which this guest does not have"
                            .formatted(name, (initSize >> 20) + 1, prefAddress));
        }
        request.memory().write(prefAddress, payload);
        var params = new BootParams(setupHeader, request.map(), commandLine);
        loadInitrd(request, placement, params);
        return wide
                ? params.write64(request.memory(), prefAddress + ENTRY_64)
                : params.write32(request.memory(), prefAddress);
    }

    private void loadInitrd(BootRequest request, Placement placement, BootParams params)
            throws BootException {
        long size = 0;
        for (BootModule module : request.modules()) {
            if (!module.commandLine().isEmpty()) {
                throw new BootException(
                        module.name() + ": only modules of ELF kernels have a command line");
            }
            size = aligned(size) + module.content().size();
        }
        if (size == 0) {
            return;
        }
        long start = placement.takeHighest(initrdAddrMax + 1, size);
        if (start < 0) {
            throw new BootException(
                    "%s: no room in memory for an initramfs of %d MiB"
                            .formatted(name, (size >> 20) + 1));
        }
        long at = start;
        for (BootModule module : request.modules()) {
            at = aligned(at);
            request.memory().write(at, module.content());
            at += module.content().size();
        }
        params.initrd(start, size);
    }

    private static long aligned(long value) {
        return (value + CPIO_ALIGN - 1) & -CPIO_ALIGN;
    }
}
