package io.xenemu.core.boot;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class AcpiTablesTest {
    private static PagedMemory tables(int vcpus) throws BootException {
        var memory = new PagedMemory(new GuestMemoryMap(16L << 20));
        AcpiTables.write(memory, vcpus);
        return memory;
    }

    private static AmlMachine machine(AmlMachine.Registers registers) throws BootException {
        PagedMemory memory = tables(1);
        long at = listed(memory, 0, "FACP").getLong(140);
        return new AmlMachine(table(memory, at, "DSDT").array(), registers);
    }

    private static int sum(byte[] bytes) {
        int sum = 0;
        for (byte b : bytes) {
            sum += b;
        }
        return sum & 0xff;
    }

    /// Checks the header and returns the table.
    private static ByteBuffer table(PagedMemory memory, long at, String signature) {
        assertEquals(signature, new String(memory.read(at, 4), StandardCharsets.US_ASCII));
        int length = memory.at(at, 8).getInt(4);
        assertEquals(0, sum(memory.read(at, length)), signature);
        assertTrue(at + length <= GuestMemoryMap.GENERATION_ID);
        return memory.at(at, length);
    }

    private static ByteBuffer listed(PagedMemory memory, int index, String signature) {
        long xsdt = memory.at(GuestMemoryMap.RSDP, 36).getLong(24);
        return table(memory, table(memory, xsdt, "XSDT").getLong(36 + 8 * index), signature);
    }

    @Test
    void rsdpHasBothChecksums() throws BootException {
        PagedMemory memory = tables(1);
        assertEquals(
                "RSD PTR ",
                new String(memory.read(GuestMemoryMap.RSDP, 8), StandardCharsets.US_ASCII));
        assertEquals(0, sum(memory.read(GuestMemoryMap.RSDP, 20)));
        assertEquals(0, sum(memory.read(GuestMemoryMap.RSDP, 36)));
        assertEquals(2, memory.read(GuestMemoryMap.RSDP + 15, 1)[0]);
    }

    @Test
    void fadtMakesLinuxAPvhGuestWithoutFixedHardware() throws BootException {
        PagedMemory memory = tables(2);
        ByteBuffer fadt = listed(memory, 0, "FACP");
        assertEquals(276, fadt.capacity());
        assertEquals(1 << 2 | 1 << 5, fadt.getShort(109));
        assertEquals(1 << 20, fadt.getInt(112) & 1 << 20);
        assertEquals(fadt.getLong(140), Integer.toUnsignedLong(fadt.getInt(40)));
        assertEquals(AcpiTables.SLEEP_CONTROL_PORT, fadt.getLong(248));
        assertEquals(AcpiTables.SLEEP_STATUS_PORT, fadt.getLong(260));
        assertEquals(AcpiTables.RESET_PORT, fadt.getLong(120));
        assertEquals(AcpiTables.RESET_VALUE, fadt.get(128));
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 128})
    void madtHasOneEnabledProcessorPerVcpu(int vcpus) throws BootException {
        ByteBuffer madt = listed(tables(vcpus), 1, "APIC");
        assertEquals(0xfee0_0000, madt.getInt(36));
        int at = 44;
        for (int id = 0; id < vcpus; id++, at += 8) {
            assertEquals(0x0800, madt.getShort(at));
            assertEquals(id, madt.get(at + 2) & 0xff);
            assertEquals(id, madt.get(at + 3) & 0xff);
            assertEquals(1, madt.getInt(at + 4));
        }
        assertEquals(0x0c01, madt.getShort(at));
        assertEquals(0xfec0_0000, madt.getInt(at + 4));
        assertEquals(0x0a02, madt.getShort(at + 12));
        assertEquals(at + 22, madt.capacity());
    }

    @ParameterizedTest
    @ValueSource(ints = {0, -1, 129})
    void otherNumbersOfVcpusAreRefused(int vcpus) {
        assertThrows(IllegalArgumentException.class, () -> tables(vcpus));
    }

    /// Linux that was not started through its PVH entry would not use its PV devices if the flags told of an RTC: GRUB
    /// starts it so.
    @Test
    void fadtDeniesVgaAndTheClockAsXenDoesForPvhGuests() throws BootException {
        assertEquals(1 << 2 | 1 << 5, listed(tables(2), 0, "FACP").getShort(109));
    }

    @Test
    void dsdtDescribesCom1TheClockAndS5() throws BootException {
        PagedMemory memory = tables(1);
        long at = listed(memory, 0, "FACP").getLong(140);
        String code = HexFormat.of().formatHex(table(memory, at, "DSDT").array());
        assertTrue(code.contains("5f484944" + "0c41d00501"), code);
        assertTrue(code.contains("4701f803f8030108"), code);
        assertTrue(code.contains("8906000301" + "04000000" + "7900"), code);
        assertTrue(code.contains("5f484944" + "0c41d00b00"), code);
        assertTrue(code.contains("4701" + "7000" + "7000" + "0102" + "7900"), code);
        assertTrue(code.contains("8906000101" + "10000000" + "7900"), code);
        assertTrue(code.endsWith("085f53355f" + "1207040a05000000"), code);
    }

    @Test
    void dsdtHasTheDevicesThatGuestsLookFor() throws BootException {
        AmlMachine machine = machine((_, _, _) -> 0);
        assertEquals(
                Set.of(
                        "\\_SB_.COM1",
                        "\\_SB_.RTC0",
                        "\\_SB_.PWRB",
                        "\\_SB_.SLPB",
                        "\\_SB_.VGID",
                        "\\_SB_.GED0"),
                machine.devices());
        assertEquals(0x0c0c_d041L, machine.value("\\_SB_.PWRB._HID"));
        assertEquals(0x0e0c_d041L, machine.value("\\_SB_.SLPB._HID"));
        assertEquals("ACPI0013", machine.value("\\_SB_.GED0._HID"));
        assertEquals("VM_Gen_Counter", machine.value("\\_SB_.VGID._CID"));
        assertEquals(List.of(GuestMemoryMap.GENERATION_ID, 0L), machine.value("\\_SB_.VGID.ADDR"));
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2, 3, 4, 5, 6, 7, 0xf8})
    void eventMethodReadsTheRegisterOnceAndNotifiesTheDevices(int events) throws BootException {
        List<Long> reads = new ArrayList<>();
        AmlMachine machine =
                machine((space, address, bytes) -> {
                    assertEquals(1, space);
                    assertEquals(1, bytes);
                    reads.add(address);
                    return events;
                });
        machine.call("\\_SB_.GED0._EVT", AcpiTables.EVENT_GSI);
        List<String> expected = new ArrayList<>();
        String[] devices = {"PWRB", "SLPB", "VGID"};
        for (int i = 0; i < devices.length; i++) {
            if ((events >> i & 1) != 0) {
                expected.add("\\_SB_." + devices[i] + " 128");
            }
        }
        assertEquals(expected, machine.notified);
        assertEquals(List.of((long) AcpiTables.EVENT_PORT), reads);
    }

    @ParameterizedTest
    @ValueSource(ints = {-1, 0, 4, 8, 12})
    void generationDeviceIsThereIfAnyByteOfTheIdIsSet(int offset) throws BootException {
        long at = GuestMemoryMap.GENERATION_ID + offset;
        AmlMachine machine =
                machine((space, address, bytes) -> {
                    assertEquals(0, space);
                    assertEquals(4, bytes);
                    return address == at ? 0x8000_0000L : 0;
                });
        assertEquals(offset < 0 ? 0L : 15L, machine.value("\\_SB_.VGID._STA"));
    }

    @Test
    void tablesLeaveThePageOfTheGenerationIdAlone() throws BootException {
        PagedMemory memory = tables(AcpiTables.MAX_VCPUS);
        assertArrayEquals(new byte[4096], memory.read(GuestMemoryMap.GENERATION_ID, 4096));
    }

    @Test
    void lengthsCountThemselves() {
        assertEquals(0x3f, Aml.sized(new byte[0x3e])[0]);
        assertArrayEquals(new byte[] {0x41, 0x04}, Arrays.copyOf(Aml.sized(new byte[0x3f]), 2));
        assertThrows(IllegalArgumentException.class, () -> Aml.sized(new byte[4096]));
    }
}
