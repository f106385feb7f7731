package io.xenemu.core.boot;

import com.google.common.primitives.UnsignedInts;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;

/// `struct boot_params`, and the other data of the 32- and 64-bit boot protocols: GDT, command line, and for 64 bits
/// page tables. All of it is in the first 64 KiB, which Linux reserves and copies early.
final class BootParams {
    /// The setup header may be copied up to here: the next field of `struct boot_params`.
    static final int SETUP_HEADER_END = 0x290;

    /// Room for the command line without its final NUL; Linux's own limit is 2047.
    static final int MAX_COMMAND_LINE = 0x3fff;

    private static final long GDT = 0x1000;
    private static final long BOOT_PARAMS = 0x2000;
    private static final long COMMAND_LINE = 0x4000;
    private static final long PAGE_TABLES = 0x8000;

    private static final int ACPI_RSDP_ADDR = 0x70;
    private static final int E820_ENTRIES = 0x1e8;
    private static final int SETUP_HEADER = 0x1f1;
    private static final int TYPE_OF_LOADER = 0x210;
    private static final int LOADFLAGS = 0x211;
    private static final int RAMDISK_IMAGE = 0x218;
    private static final int RAMDISK_SIZE = 0x21c;
    private static final int CMD_LINE_PTR = 0x228;
    private static final int E820_TABLE = 0x2d0;
    private static final int LOADER_UNDEFINED = 0xff;
    private static final int LOADED_HIGH = 1;

    private static final int TABLE_ENTRIES = 512;
    private static final int TABLE_BYTES = TABLE_ENTRIES * 8;
    private static final int PTE_PRESENT_WRITABLE = 3;
    private static final int PTE_LARGE = 1 << 7;
    private static final int DIRECTORIES = 4;

    private static final long CODE_64 = 0x00af_9b00_0000_ffffL;
    private static final long CODE_32 = 0x00cf_9b00_0000_ffffL;
    private static final long DATA = 0x00cf_9300_0000_ffffL;
    private static final long TSS = 0x0000_8b00_0000_ffffL;
    private static final int GDT_ENTRIES = 6;

    private final ByteBuffer page =
            ByteBuffer.allocate(Math.toIntExact(GuestMemoryMap.PAGE_SIZE))
                    .order(ByteOrder.LITTLE_ENDIAN);
    private final byte[] commandLine;

    BootParams(byte[] setupHeader, GuestMemoryMap map, byte[] commandLine) {
        this.commandLine = commandLine;
        page.put(SETUP_HEADER, setupHeader);
        page.putLong(ACPI_RSDP_ADDR, GuestMemoryMap.RSDP);
        page.put(TYPE_OF_LOADER, (byte) LOADER_UNDEFINED);
        page.put(LOADFLAGS, (byte) (page.get(LOADFLAGS) | LOADED_HIGH));
        page.putInt(CMD_LINE_PTR, Math.toIntExact(COMMAND_LINE));
        page.putInt(RAMDISK_IMAGE, 0).putInt(RAMDISK_SIZE, 0);
        putE820(map.entries());
    }

    private void putE820(List<GuestMemoryMap.Entry> entries) {
        page.put(E820_ENTRIES, (byte) entries.size());
        page.position(E820_TABLE);
        for (GuestMemoryMap.Entry entry : entries) {
            page.putLong(entry.start()).putLong(entry.length()).putInt(entry.type().number());
        }
    }

    /// @param start its address, below 4 GiB: the header's field is an unsigned number of 32 bits
    /// @param size in bytes; the end is below 4 GiB
    void initrd(long start, long size) {
        page.putInt(RAMDISK_IMAGE, UnsignedInts.checkedCast(start));
        page.putInt(RAMDISK_SIZE, UnsignedInts.checkedCast(size));
    }

    /// Writes the data of the 64-bit protocol; returns the registers.
    CpuEntry write64(BootMemory memory, long entry) {
        write(memory, CODE_64);
        memory.write(PAGE_TABLES, littleEndian(identityMap()));
        return CpuEntry.linux64(entry, BOOT_PARAMS, PAGE_TABLES, GDT, GDT_ENTRIES * 8 - 1);
    }

    /// Writes the data of the 32-bit protocol; returns the registers.
    CpuEntry write32(BootMemory memory, long entry) {
        write(memory, CODE_32);
        return CpuEntry.linux32(entry, BOOT_PARAMS, GDT, GDT_ENTRIES * 8 - 1);
    }

    /// Writes the structures. Entries 2 and 3 of the GDT are the selectors 0x10 and 0x18; 4 and 5 are the TSS.
    private void write(BootMemory memory, long code) {
        memory.write(BOOT_PARAMS, page.array());
        memory.write(COMMAND_LINE, commandLine);
        memory.write(GDT, littleEndian(0, 0, code, DATA, TSS, 0));
    }

    /// PML4, PDPT and four page directories, which map the first 4 GiB in 2 MiB pages.
    private static long[] identityMap() {
        var tables = new long[(2 + DIRECTORIES) * TABLE_ENTRIES];
        tables[0] = PAGE_TABLES + TABLE_BYTES | PTE_PRESENT_WRITABLE;
        for (int i = 0; i < DIRECTORIES; i++) {
            tables[TABLE_ENTRIES + i] = PAGE_TABLES + (2L + i) * TABLE_BYTES | PTE_PRESENT_WRITABLE;
        }
        for (int i = 0; i < DIRECTORIES * TABLE_ENTRIES; i++) {
            tables[2 * TABLE_ENTRIES + i] = (long) i << 21 | PTE_LARGE | PTE_PRESENT_WRITABLE;
        }
        return tables;
    }

    private static byte[] littleEndian(long... values) {
        var bytes = ByteBuffer.allocate(values.length * 8).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asLongBuffer().put(values);
        return bytes.array();
    }
}
