package io.xenemu.core.boot;

import io.xenemu.kvm.memory.GuestMemory;
import java.util.ArrayList;
import java.util.List;

/// The layout of a guest's memory: the KVM memory slots, the e820 table, the PVH memory map and `XENMEM_memory_map`
/// are all derived from it. The layout is that of a Xen PVH domain:
///
/// ```
/// 0            RAM, of it 0xa0000..0xfffff reserved (the RSDP is at 0xf0000)
/// 0xc0000000   hole: grant frames and other foreign pages go where the guest puts them
/// 0xfc000000   ACPI tables, and at 0xfc00f000 a reserved page with the VM generation id
/// 0xfec00000   I/O APIC
/// 0xfee00000   local APICs
/// 0xfeff8000   Xen's special pages, of them xenstore 0xfeffc and console 0xfefff (frame numbers)
/// 0x100000000  the RAM that did not fit below the hole
/// ```
public final class GuestMemoryMap {
    /// The unit of all sizes and addresses here, in bytes.
    public static final long PAGE_SIZE = GuestMemory.PAGE_SIZE;

    /// Less memory cannot hold even a small kernel with the boot structures.
    public static final long MIN_BYTES = 8L << 20;

    /// The most RAM of any guest: page numbers are ints, with room for pages that have no place in the map.
    public static final long MAX_BYTES = 4L << 40;

    /// The latest end of RAM below 4 GiB, as on PCs with a 1 GiB hole.
    public static final long HOLE_START = 0xc000_0000L;

    /// RAM above the hole starts here.
    public static final long HIGH_RAM_START = 1L << 32;

    /// The ACPI tables except the RSDP.
    public static final long ACPI_START = 0xfc00_0000L;

    /// Room for the ACPI tables and the reserved page after them, in bytes.
    public static final long ACPI_SIZE = 64 << 10;

    /// The 16 bytes of the VM generation id. A guest may use the memory of ACPI tables again, so they have a reserved
    /// page to themselves.
    public static final long GENERATION_ID = ACPI_START + ACPI_SIZE - PAGE_SIZE;

    /// The RSDP, at a place that a guest searches if it was not told the address.
    public static final long RSDP = 0xf_0000;

    /// Registers of the only I/O APIC.
    public static final long IOAPIC_START = 0xfec0_0000L;

    /// Registers of the local APICs.
    public static final long LAPIC_START = 0xfee0_0000L;

    /// First of Xen's special pages.
    public static final long SPECIAL_START = 0xfeff_8000L;

    /// The special pages in bytes: 8 pages.
    public static final long SPECIAL_SIZE = 8 * PAGE_SIZE;

    /// Page frame of the XenStore ring (`HVM_PARAM_STORE_PFN`).
    public static final long XENSTORE_GFN = 0xf_effcL;

    /// Page frame of the console ring (`HVM_PARAM_CONSOLE_PFN`).
    public static final long CONSOLE_GFN = 0xf_efffL;

    private static final long BIOS_START = 0xa_0000;
    private static final long BIOS_END = 0x10_0000;

    private final long lowRamEnd;
    private final long acpiBytes;
    private final List<Slot> slots;
    private final List<Entry> entries;

    /// The map of a guest with `bytes` of RAM.
    ///
    /// @throws BootException for less than [#MIN_BYTES], more than [#MAX_BYTES], or not a whole number of pages
    public GuestMemoryMap(long bytes) throws BootException {
        if (bytes < MIN_BYTES || bytes > MAX_BYTES || bytes % PAGE_SIZE != 0) {
            throw new BootException(
                    "memory of %d bytes: needs whole 4 KiB pages, from %d MiB to %d GiB"
                            .formatted(bytes, MIN_BYTES >> 20, MAX_BYTES >> 30));
        }
        lowRamEnd = Math.min(bytes, HOLE_START);
        long highRam = bytes - lowRamEnd;
        var slotList = new ArrayList<Slot>();
        slotList.add(new Slot(0, lowRamEnd, Backing.RAM));
        slotList.add(new Slot(ACPI_START, ACPI_SIZE, Backing.RAM));
        slotList.add(new Slot(SPECIAL_START, SPECIAL_SIZE, Backing.SPECIAL));
        var map = new ArrayList<Entry>();
        map.add(new Entry(0, BIOS_START, Type.RAM));
        map.add(new Entry(BIOS_START, BIOS_END - BIOS_START, Type.RESERVED));
        map.add(new Entry(BIOS_END, lowRamEnd - BIOS_END, Type.RAM));
        map.add(new Entry(ACPI_START, GENERATION_ID - ACPI_START, Type.ACPI));
        map.add(new Entry(GENERATION_ID, PAGE_SIZE, Type.RESERVED));
        map.add(new Entry(IOAPIC_START, PAGE_SIZE, Type.RESERVED));
        map.add(new Entry(LAPIC_START, PAGE_SIZE, Type.RESERVED));
        map.add(new Entry(SPECIAL_START, SPECIAL_SIZE, Type.RESERVED));
        if (highRam > 0) {
            slotList.add(new Slot(HIGH_RAM_START, highRam, Backing.RAM));
            map.add(new Entry(HIGH_RAM_START, highRam, Type.RAM));
        }
        slots = List.copyOf(slotList);
        entries = List.copyOf(map);
        acpiBytes = ACPI_SIZE;
    }

    /// The map of a guest that another hypervisor has built. All memory below the hole is RAM for it, as for a PVH
    /// domain of Xen.
    public GuestMemoryMap(MachineLayout layout) {
        lowRamEnd = layout.lowRamBytes();
        acpiBytes = layout.acpiBytes();
        var slotList = new ArrayList<Slot>();
        var map = new ArrayList<Entry>();
        slotList.add(new Slot(0, lowRamEnd, Backing.RAM));
        map.add(new Entry(0, lowRamEnd, Type.RAM));
        if (acpiBytes > 0) {
            slotList.add(new Slot(ACPI_START, acpiBytes, Backing.RAM));
            map.add(new Entry(ACPI_START, acpiBytes, Type.ACPI));
        }
        slotList.add(new Slot(SPECIAL_START, SPECIAL_SIZE, Backing.SPECIAL));
        map.add(new Entry(LAPIC_START, PAGE_SIZE, Type.RESERVED));
        map.add(new Entry(SPECIAL_START, SPECIAL_SIZE, Type.RESERVED));
        if (layout.highRamBytes() > 0) {
            slotList.add(new Slot(HIGH_RAM_START, layout.highRamBytes(), Backing.RAM));
            map.add(new Entry(HIGH_RAM_START, layout.highRamBytes(), Type.RAM));
        }
        slots = List.copyOf(slotList);
        entries = List.copyOf(map);
    }

    /// Checks that the guest can address its RAM. Half of the addresses are left for pages of other domains.
    ///
    /// @param addressBits the width of the guest's physical addresses: EAX of CPUID leaf 0x80000008, bits 7 to 0
    /// @throws BootException if it cannot
    public void requireAddressable(int addressBits) throws BootException {
        long most = 1L << (addressBits - 1);
        Slot last = slots.getLast();
        if (last.start + last.length > most) {
            throw new BootException(
                    "memory of %d MiB ends at %#x: with its physical addresses of %d bits it may end at %#x"
                            .formatted(
                                    ramBytes() >> 20, last.start + last.length, addressBits, most));
        }
    }

    private long ramBytes() {
        return lowRamEnd + highRamBytes();
    }

    private long highRamBytes() {
        Slot last = slots.getLast();
        return last.start == HIGH_RAM_START ? last.length : 0;
    }

    /// The ranges that need a KVM memory slot, in ascending order.
    public List<Slot> slots() {
        return slots;
    }

    /// The memory map that the guest sees, in ascending order without overlaps.
    public List<Entry> entries() {
        return entries;
    }

    /// The memory of the ACPI tables, in bytes. The guest owns it in addition to its RAM.
    public long acpiBytes() {
        return acpiBytes;
    }

    /// The end of the RAM below 4 GiB.
    public long lowRamEnd() {
        return lowRamEnd;
    }

    /// Whether the whole range is RAM in the guest's memory map. False for an empty or wrapping range.
    public boolean isRam(long start, long length) {
        for (Entry entry : entries) {
            if (entry.type == Type.RAM
                    && start >= entry.start
                    && length > 0
                    && length <= entry.length
                    && start - entry.start <= entry.length - length) {
                return true;
            }
        }
        return false;
    }

    /// The purpose of a slot's memory.
    public enum Backing {
        /// Ordinary guest RAM.
        RAM,
        /// Xen's special pages, which are shared with back ends.
        SPECIAL
    }

    /// A range that must be backed by host memory.
    ///
    /// @param start guest-physical address, page-aligned
    /// @param length in bytes, whole pages
    /// @param backing its purpose
    public record Slot(long start, long length, Backing backing) {}

    /// The types of an e820 entry, which are also those of `struct hvm_memmap_table_entry`.
    public enum Type {
        RAM(1),
        RESERVED(2),
        ACPI(3);

        private final int number;

        Type(int number) {
            this.number = number;
        }

        /// The number in the guest's table.
        public int number() {
            return number;
        }
    }

    /// One line of the guest's memory map.
    ///
    /// @param start guest-physical address
    /// @param length in bytes
    /// @param type its type
    public record Entry(long start, long length, Type type) {}
}
