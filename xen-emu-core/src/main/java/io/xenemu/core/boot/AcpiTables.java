package io.xenemu.core.boot;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/// The guest's ACPI tables: RSDP, XSDT, FADT, MADT and DSDT, with one I/O APIC, one local APIC per vCPU, and the
/// devices of [Dsdt].
///
/// They are of the hardware-reduced kind. Nothing in the guest needs the fixed hardware: there is no SCI, no PM timer
/// and no FACS to emulate. Linux does not probe for a PIC or a PIT, and powering off is one write to a register of our
/// own. The price is that the DSDT has to describe COM1's interrupt, and that buttons are devices there, not bits of a
/// register. The PIC and the PIT may still exist, since other guests (Xen itself) need them: hence PCAT_COMPAT and the
/// override of IRQ 0.
///
/// The boot flags say that there is no VGA. They also deny the RTC, which is there all the same: by these two flags,
/// Linux recognises a Xen PVH guest unless a PVH entry has told it. They do not depend on how the guest itself is
/// started, since GRUB has a PVH entry and starts Linux by Linux's own protocol. The DSDT names the RTC.
public final class AcpiTables {
    /// The most vCPUs, as Xen's `HVM_MAX_VCPUS`. APIC ids then fit into 8 bits.
    public static final int MAX_VCPUS = 128;

    /// I/O port of the sleep control register.
    public static final int SLEEP_CONTROL_PORT = 0x600;

    /// I/O port of the sleep status register.
    public static final int SLEEP_STATUS_PORT = 0x601;

    /// The value for S5 in the sleep control register's SLP_TYP field.
    public static final int SLEEP_TYPE_S5 = 5;

    /// I/O port of the reset register.
    public static final int RESET_PORT = 0xcf9;

    /// The value that, written to [#RESET_PORT], resets the guest.
    public static final int RESET_VALUE = 6;

    /// I/O port of the register of events. A read gives the `EVENT_*` bits of what has happened, and clears them.
    public static final int EVENT_PORT = 0x602;

    /// The power button was pressed.
    public static final int EVENT_POWER_BUTTON = 1;

    /// The sleep button was pressed.
    public static final int EVENT_SLEEP_BUTTON = 1 << 1;

    /// The VM generation id has changed.
    public static final int EVENT_GENERATION_ID = 1 << 2;

    /// Interrupt line (GSI) of events, level-triggered and active high. It is up while the register is not zero. If the
    /// guest routes it over an event channel, Xen takes only GSIs from 16 on for level-triggered.
    public static final int EVENT_GSI = 16;

    /// First I/O port of the real-time clock, of two.
    public static final int RTC_PORT = 0x70;

    /// First I/O port of COM1.
    public static final int COM1_PORT = 0x3f8;

    /// Interrupt line (GSI) of COM1, edge-triggered and active high.
    public static final int COM1_GSI = 4;

    /// Interrupt line (GSI), that is pin of the I/O APIC, to which IRQ 0 of the PIT is connected.
    public static final int PIT_PIN = 2;

    private static final int RSDP_SIZE = 36;
    private static final int RSDP_V1_SIZE = 20;
    private static final int FADT_SIZE = 276;
    private static final int FADT_DSDT = 40;
    private static final int FADT_BOOT_FLAGS = 109;
    private static final int FADT_FLAGS = 112;
    private static final int FADT_RESET_REG = 116;
    private static final int FADT_RESET_VALUE = 128;
    private static final int FADT_MINOR_REVISION = 131;
    private static final int FADT_X_DSDT = 140;
    private static final int FADT_SLEEP_CONTROL = 244;
    private static final int FADT_SLEEP_STATUS = 256;
    private static final int BOOT_NO_VGA = 1 << 2;
    private static final int BOOT_NO_CMOS_RTC = 1 << 5;
    private static final int WBINVD = 1;
    private static final int NO_POWER_BUTTON = 1 << 4;
    private static final int NO_SLEEP_BUTTON = 1 << 5;
    private static final int RESET_REG_SUPPORTED = 1 << 10;
    private static final int HW_REDUCED_ACPI = 1 << 20;
    private static final int MADT_FIXED = 8;
    private static final int MADT_LAPIC_SIZE = 8;
    private static final int MADT_IOAPIC_SIZE = 12;
    private static final int MADT_OVERRIDE_SIZE = 10;
    private static final int PCAT_COMPAT = 1;
    private static final int SPACE_SYSTEM_IO = 1;
    private static final int TABLE_ALIGN = 64;

    private AcpiTables() {}

    /// Writes all tables to their places in [GuestMemoryMap]. Processor id, APIC id and vCPU id are equal.
    ///
    /// @param vcpus 1 to [#MAX_VCPUS]
    public static void write(BootMemory memory, int vcpus) {
        if (vcpus < 1 || vcpus > MAX_VCPUS) {
            throw new IllegalArgumentException("vCPUs: " + vcpus);
        }
        byte[] dsdt = Dsdt.table();
        byte[] madt = madt(vcpus);
        long dsdtAt = GuestMemoryMap.ACPI_START;
        long madtAt = aligned(dsdtAt + dsdt.length);
        long fadtAt = aligned(madtAt + madt.length);
        long xsdtAt = aligned(fadtAt + FADT_SIZE);
        memory.write(dsdtAt, dsdt);
        memory.write(madtAt, madt);
        memory.write(fadtAt, fadt(dsdtAt));
        memory.write(xsdtAt, xsdt(fadtAt, madtAt));
        memory.write(GuestMemoryMap.RSDP, rsdp(xsdtAt));
    }

    private static byte[] rsdp(long xsdt) {
        var table = ByteBuffer.allocate(RSDP_SIZE).order(ByteOrder.LITTLE_ENDIAN);
        table.put(AcpiTable.ascii("RSD PTR ")).put((byte) 0).put(AcpiTable.ascii("XENEMU"));
        table.put((byte) 2).putInt(0).putInt(RSDP_SIZE).putLong(xsdt);
        table.put(8, AcpiTable.checksum(table.array(), RSDP_V1_SIZE));
        table.put(32, AcpiTable.checksum(table.array(), RSDP_SIZE));
        return table.array();
    }

    private static byte[] xsdt(long... tables) {
        var table = new AcpiTable("XSDT", 1, AcpiTable.HEADER_SIZE + 8 * tables.length);
        for (long at : tables) {
            table.body().putLong(at);
        }
        return table.finish();
    }

    private static byte[] fadt(long dsdt) {
        var table = new AcpiTable("FACP", 6, FADT_SIZE);
        ByteBuffer body = table.body();
        body.putInt(FADT_DSDT, (int) dsdt);
        body.putShort(FADT_BOOT_FLAGS, (short) (BOOT_NO_VGA | BOOT_NO_CMOS_RTC));
        body.putInt(
                FADT_FLAGS,
                WBINVD | NO_POWER_BUTTON | NO_SLEEP_BUTTON | RESET_REG_SUPPORTED | HW_REDUCED_ACPI);
        putPort(body, FADT_RESET_REG, RESET_PORT);
        body.put(FADT_RESET_VALUE, (byte) RESET_VALUE);
        body.put(FADT_MINOR_REVISION, (byte) 0);
        body.putLong(FADT_X_DSDT, dsdt);
        putPort(body, FADT_SLEEP_CONTROL, SLEEP_CONTROL_PORT);
        putPort(body, FADT_SLEEP_STATUS, SLEEP_STATUS_PORT);
        return table.finish();
    }

    /// A generic address structure for an 8-bit I/O port.
    private static void putPort(ByteBuffer table, int at, int port) {
        table.put(at, (byte) SPACE_SYSTEM_IO).put(at + 1, (byte) 8).put(at + 2, (byte) 0);
        table.put(at + 3, (byte) 1).putLong(at + 4, port);
    }

    private static byte[] madt(int vcpus) {
        int size =
                AcpiTable.HEADER_SIZE
                        + MADT_FIXED
                        + vcpus * MADT_LAPIC_SIZE
                        + MADT_IOAPIC_SIZE
                        + MADT_OVERRIDE_SIZE;
        var table = new AcpiTable("APIC", 5, size);
        ByteBuffer body = table.body();
        body.putInt((int) GuestMemoryMap.LAPIC_START).putInt(PCAT_COMPAT);
        for (int id = 0; id < vcpus; id++) {
            body.put((byte) 0).put((byte) MADT_LAPIC_SIZE);
            body.put((byte) id).put((byte) id).putInt(1);
        }
        body.put((byte) 1).put((byte) MADT_IOAPIC_SIZE).put((byte) 0).put((byte) 0);
        body.putInt((int) GuestMemoryMap.IOAPIC_START).putInt(0);
        body.put((byte) 2).put((byte) MADT_OVERRIDE_SIZE).put((byte) 0).put((byte) 0);
        body.putInt(PIT_PIN).putShort((short) 0);
        return table.finish();
    }

    private static long aligned(long address) {
        return (address + TABLE_ALIGN - 1) & -TABLE_ALIGN;
    }
}
