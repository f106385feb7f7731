package io.xenemu.core.boot;

/// The guest's DSDT: COM1, the real-time clock, power and sleep buttons, the VM generation id, and the Generic Event
/// Device (ACPI 6.5, 5.6.9), whose interrupt tells of the last three.
///
/// On an event, the guest runs `_EVT`. The method reads a register, which tells all that has happened and takes the
/// interrupt back, and notifies the devices.
final class Dsdt {
    private static final int IO = 1;
    private static final int MEMORY = 0;
    private static final int BYTES = 1;
    private static final int WORDS_OF_32_BITS = 3;

    /// A button was pressed (ACPI 6.5, 4.8.2.2), or the generation id has changed.
    private static final int CHANGED = 0x80;

    /// Present, enabled, shown and working (ACPI 6.5, 6.3.7).
    private static final int PRESENT = 0xf;

    private Dsdt() {}

    static byte[] table() {
        byte[] devices =
                Aml.join(com1(), clock(), powerButton(), sleepButton(), generationId(), events());
        byte[] s5 =
                Aml.name(
                        "_S5_",
                        Aml.packageOf(
                                Aml.integer(AcpiTables.SLEEP_TYPE_S5),
                                Aml.integer(0),
                                Aml.integer(0),
                                Aml.integer(0)));
        byte[] code = Aml.join(Aml.rootScope("_SB_", devices), s5);
        var table = new AcpiTable("DSDT", 2, AcpiTable.HEADER_SIZE + code.length);
        table.body().put(code);
        return table.finish();
    }

    private static byte[] com1() {
        return Aml.device(
                "COM1",
                Aml.name("_HID", Aml.eisaId("PNP0501")),
                Aml.name("_UID", Aml.integer(1)),
                Aml.name(
                        "_CRS",
                        Aml.resources(
                                Aml.io(AcpiTables.COM1_PORT, 8),
                                Aml.interrupt(AcpiTables.COM1_GSI, true))));
    }

    /// The clock has no interrupt: it tells the time, and has no alarm.
    private static byte[] clock() {
        return Aml.device(
                "RTC0",
                Aml.name("_HID", Aml.eisaId("PNP0B00")),
                Aml.name("_CRS", Aml.resources(Aml.io(AcpiTables.RTC_PORT, 2))));
    }

    private static byte[] powerButton() {
        return Aml.device("PWRB", Aml.name("_HID", Aml.eisaId("PNP0C0C")));
    }

    private static byte[] sleepButton() {
        return Aml.device("SLPB", Aml.name("_HID", Aml.eisaId("PNP0C0E")));
    }

    /// The names are those of Xen's own tables; the address is a pair of 32-bit halves, as Microsoft's "Virtual Machine
    /// Generation ID" has it. The device is there only if the id is not zero.
    private static byte[] generationId() {
        return Aml.device(
                "VGID",
                Aml.name("_HID", Aml.eisaId("XEN0000")),
                Aml.name("_UID", Aml.integer(0)),
                Aml.name("_CID", Aml.string("VM_Gen_Counter")),
                Aml.name("_DDN", Aml.string("VM_Gen_Counter")),
                Aml.region("GIDR", MEMORY, GuestMemoryMap.GENERATION_ID, 16),
                Aml.fields("GIDR", WORDS_OF_32_BITS, 32, "GID0", "GID1", "GID2", "GID3"),
                Aml.method(
                        "_STA",
                        0,
                        Aml.when(
                                Aml.or(
                                        Aml.or(Aml.nameSeg("GID0"), Aml.nameSeg("GID1")),
                                        Aml.or(Aml.nameSeg("GID2"), Aml.nameSeg("GID3"))),
                                Aml.answer(Aml.integer(PRESENT))),
                        Aml.answer(Aml.integer(0))),
                Aml.name(
                        "ADDR",
                        Aml.packageOf(Aml.integer(GuestMemoryMap.GENERATION_ID), Aml.integer(0))));
    }

    private static byte[] events() {
        return Aml.device(
                "GED0",
                Aml.name("_HID", Aml.string("ACPI0013")),
                Aml.name("_UID", Aml.integer(0)),
                Aml.name("_CRS", Aml.resources(Aml.interrupt(AcpiTables.EVENT_GSI, false))),
                Aml.region("EVTR", IO, AcpiTables.EVENT_PORT, 1),
                Aml.fields("EVTR", BYTES, 8, "EVTS"),
                Aml.method(
                        "_EVT",
                        1,
                        Aml.store(Aml.nameSeg("EVTS"), Aml.LOCAL0),
                        notifyIf(AcpiTables.EVENT_POWER_BUTTON, "PWRB"),
                        notifyIf(AcpiTables.EVENT_SLEEP_BUTTON, "SLPB"),
                        notifyIf(AcpiTables.EVENT_GENERATION_ID, "VGID")));
    }

    private static byte[] notifyIf(int event, String device) {
        return Aml.when(Aml.and(Aml.LOCAL0, Aml.integer(event)), Aml.notify(device, CHANGED));
    }
}
