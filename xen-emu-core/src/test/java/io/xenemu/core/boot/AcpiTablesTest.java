package io.xenemu.core.boot;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class AcpiTablesTest {
    private static PagedMemory tables(int vcpus) throws BootException {
        var memory = new PagedMemory(new GuestMemoryMap(16L << 20));
        AcpiTables.write(memory, vcpus);
        return memory;
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
        assertTrue(at + length <= GuestMemoryMap.ACPI_START + GuestMemoryMap.ACPI_SIZE);
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

    @Test
    void dsdtDescribesCom1AndS5() throws BootException {
        PagedMemory memory = tables(1);
        long at = listed(memory, 0, "FACP").getLong(140);
        String code = HexFormat.of().formatHex(table(memory, at, "DSDT").array());
        assertTrue(code.contains("5f484944" + "0c41d00501"), code);
        assertTrue(code.contains("4701f803f8030108"), code);
        assertTrue(code.contains("8906000301" + "04000000" + "7900"), code);
        assertTrue(code.endsWith("085f53355f" + "1207040a05000000"), code);
    }

    @Test
    void lengthsCountThemselves() {
        assertEquals(0x3f, Aml.sized(new byte[0x3e])[0]);
        assertArrayEquals(new byte[] {0x41, 0x04}, Arrays.copyOf(Aml.sized(new byte[0x3f]), 2));
        assertThrows(IllegalArgumentException.class, () -> Aml.sized(new byte[4096]));
    }
}
