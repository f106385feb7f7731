package io.xenemu.core.boot;

import io.xenemu.kvm.memory.GuestMemory;

/// The machine of a guest that another hypervisor has built: where its memory is, and the ids of its local APICs. It
/// has neither interrupt chips nor devices at I/O ports. The layout of a guest that booted here follows from its memory
/// alone ([GuestMemoryMap]).
///
/// @param lowRamBytes RAM from address 0 on: at most [GuestMemoryMap#ACPI_START]
/// @param acpiBytes memory of the ACPI tables from [GuestMemoryMap#ACPI_START] on; 0 for none
/// @param highRamBytes RAM from 4 GiB on; 0 for none
/// @param apicIdStep the APIC id of each vCPU is its number times this: 1, or 2 as under Xen
public record MachineLayout(long lowRamBytes, long acpiBytes, long highRamBytes, int apicIdStep) {
    /// The most memory of ACPI tables. Those of Xen are some pages.
    public static final long MAX_ACPI_BYTES = 1 << 20;

    /// The largest step.
    public static final int MAX_STEP = 2;

    /// @throws IllegalArgumentException if no guest can have this layout
    public MachineLayout {
        requirePages("RAM below 4 GiB", lowRamBytes, GuestMemoryMap.ACPI_START);
        requirePages("memory of ACPI tables", acpiBytes, MAX_ACPI_BYTES);
        requirePages("RAM above 4 GiB", highRamBytes, GuestMemoryMap.MAX_BYTES);
        if (lowRamBytes == 0) {
            throw new IllegalArgumentException("no RAM at address 0");
        }
        if (apicIdStep < 1 || apicIdStep > MAX_STEP) {
            throw new IllegalArgumentException("APIC ids in steps of " + apicIdStep);
        }
    }

    private static void requirePages(String what, long bytes, long most) {
        if (bytes < 0 || bytes > most || bytes % GuestMemory.PAGE_SIZE != 0) {
            throw new IllegalArgumentException("%s of %#x bytes".formatted(what, bytes));
        }
    }

    /// All memory that has a place, without Xen's special pages.
    public long bytes() {
        return lowRamBytes + acpiBytes + highRamBytes;
    }

    /// The number of the page of RAM at a frame, counted as in the guest's RAM; -1 for a frame that is not RAM.
    ///
    /// @param gfn 0 or more
    public long pageAt(long gfn) {
        long gpa = gfn * GuestMemory.PAGE_SIZE;
        long before = 0;
        if (gpa < lowRamBytes) {
            return gfn;
        }
        before += lowRamBytes;
        if (gpa >= GuestMemoryMap.ACPI_START && gpa < GuestMemoryMap.ACPI_START + acpiBytes) {
            return (before + gpa - GuestMemoryMap.ACPI_START) / GuestMemory.PAGE_SIZE;
        }
        before += acpiBytes;
        long high = gpa - GuestMemoryMap.HIGH_RAM_START;
        return high >= 0 && high < highRamBytes ? (before + high) / GuestMemory.PAGE_SIZE : -1;
    }
}
