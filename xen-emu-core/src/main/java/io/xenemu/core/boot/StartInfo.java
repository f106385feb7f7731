package io.xenemu.core.boot;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/// `struct hvm_start_info` version 1 with its module list, memory map and command lines (Xen
/// public/arch-x86/hvm/start_info.h), in one block of consecutive pages.
final class StartInfo {
    /// The most modules; the public header has no limit.
    static final int MAX_MODULES = 64;

    /// The most bytes of all command lines together: far more than any guest accepts.
    private static final int MAX_COMMAND_LINES = 64 << 10;

    /// The end of the modules: Linux and Xen both certainly accept addresses of 31 bits.
    private static final long MODULES_END = 1L << 31;

    private static final int MAGIC = 0x336ec578;
    private static final int SIZE = 56;
    private static final int MODULE_SIZE = 32;
    private static final int MEMMAP_SIZE = 24;

    private final String name;
    private final BootRequest request;
    private final Placement placement;

    StartInfo(String name, BootRequest request, Placement placement) {
        this.name = name;
        this.request = request;
        this.placement = placement;
    }

    /// Writes everything and returns the address of the start info.
    long write() throws BootException {
        List<BootModule> modules = request.modules();
        if (modules.size() > MAX_MODULES) {
            throw new BootException(name + ": more than " + MAX_MODULES + " modules");
        }
        var commandLines = new ArrayList<byte[]>();
        commandLines.add(zeroTerminated(request.commandLine()));
        modules.forEach(module -> commandLines.add(zeroTerminated(module.commandLine())));
        long textSize = commandLines.stream().mapToLong(line -> line.length).sum();
        if (textSize > MAX_COMMAND_LINES) {
            throw new BootException(name + ": command lines of " + textSize + " bytes");
        }
        List<GuestMemoryMap.Entry> map = request.map().entries();
        int moduleList = SIZE;
        int memmap = moduleList + modules.size() * MODULE_SIZE;
        int text = memmap + map.size() * MEMMAP_SIZE;
        var block =
                ByteBuffer.allocate(text + Math.toIntExact(textSize))
                        .order(ByteOrder.LITTLE_ENDIAN);
        long base = room(placement.takeLowest(block.capacity()), block.capacity());
        block.putInt(MAGIC).putInt(1).putInt(0).putInt(modules.size());
        block.putLong(modules.isEmpty() ? 0 : base + moduleList).putLong(base + text);
        block.putLong(GuestMemoryMap.RSDP).putLong(base + memmap);
        block.putInt(map.size()).putInt(0);
        putModules(block, modules, base + text + commandLines.getFirst().length, commandLines);
        for (GuestMemoryMap.Entry entry : map) {
            block.putLong(entry.start()).putLong(entry.length());
            block.putInt(entry.type().number()).putInt(0);
        }
        commandLines.forEach(block::put);
        request.memory().write(base, block.array());
        return base;
    }

    private void putModules(
            ByteBuffer block, List<BootModule> modules, long text, List<byte[]> commandLines)
            throws BootException {
        long line = text;
        for (int i = 0; i < modules.size(); i++) {
            BootModule module = modules.get(i);
            long size = module.content().size();
            long at = room(placement.takeHighest(MODULES_END, Math.max(size, 1)), size);
            request.memory().write(at, module.content());
            int length = commandLines.get(i + 1).length;
            block.putLong(at).putLong(size).putLong(length > 1 ? line : 0).putLong(0);
            line += length;
        }
    }

    private long room(long address, long size) throws BootException {
        if (address < 0) {
            throw new BootException(
                    "%s: no room in memory for %d KiB more".formatted(name, (size >> 10) + 1));
        }
        return address;
    }

    private static byte[] zeroTerminated(String line) {
        return (line + '\0').getBytes(StandardCharsets.UTF_8);
    }
}
