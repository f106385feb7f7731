package io.xenemu.core.boot;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.ioctl.CpuidEntry;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class GuestMemoryMapTest {
    private static final long GIB = 1L << 30;

    @ParameterizedTest
    @ValueSource(
            longs = {
                8L << 20,
                512L << 20,
                3 * GIB,
                3 * GIB + 4096,
                16 * GIB,
                2048 * GIB,
                4096 * GIB
            })
    void slotsHoldAllRamOfTheGuestsMap(long bytes) throws BootException {
        var map = new GuestMemoryMap(bytes);
        long ram =
                map.slots().stream()
                        .filter(slot -> slot.start() != GuestMemoryMap.ACPI_START)
                        .filter(slot -> slot.backing() == GuestMemoryMap.Backing.RAM)
                        .mapToLong(GuestMemoryMap.Slot::length)
                        .sum();
        assertEquals(bytes, ram);
        for (GuestMemoryMap.Entry entry : map.entries()) {
            boolean backed =
                    map.slots().stream()
                            .anyMatch(slot ->
                                    entry.start() >= slot.start()
                                            && entry.start() + entry.length()
                                                    <= slot.start() + slot.length());
            boolean chip =
                    entry.start() == GuestMemoryMap.IOAPIC_START
                            || entry.start() == GuestMemoryMap.LAPIC_START;
            assertEquals(!chip, backed, entry.toString());
        }
    }

    @Test
    void entriesAscendWithoutOverlap() throws BootException {
        long end = 0;
        for (GuestMemoryMap.Entry entry : new GuestMemoryMap(8 * GIB).entries()) {
            assertTrue(entry.start() >= end && entry.length() > 0, entry.toString());
            end = entry.start() + entry.length();
        }
        assertEquals(4 * GIB + 5 * GIB, end);
    }

    @Test
    void ramOfTwoTebibytesGoesAroundTheHoleBelow4Gib() throws BootException {
        var map = new GuestMemoryMap(2048 * GIB);
        assertEquals(3 * GIB, map.lowRamEnd());
        GuestMemoryMap.Entry last = map.entries().getLast();
        assertEquals(4 * GIB, last.start());
        assertEquals(2045 * GIB, last.length());
        assertTrue(map.isRam(2049 * GIB - 4096, 4096));
        assertFalse(map.isRam(2049 * GIB, 1));
    }

    @ParameterizedTest
    @CsvSource({"1, 36", "31, 36", "255, 39", "511, 40", "2047, 42", "4096, 46", "4096, 52"})
    void ramMayEndInTheLowerHalfOfTheAddresses(int gib, int bits) throws BootException {
        new GuestMemoryMap(gib * GIB).requireAddressable(bits);
    }

    @ParameterizedTest
    @CsvSource({"32, 36", "256, 39", "512, 40", "2048, 42"})
    void ramBeyondThatIsRefusedInOneLine(int gib, int bits) throws BootException {
        var map = new GuestMemoryMap(gib * GIB);
        BootException e = assertThrows(BootException.class, () -> map.requireAddressable(bits));
        String message = String.valueOf(e.getMessage());
        assertEquals(1, message.lines().count());
        assertTrue(message.startsWith("memory of " + gib * 1024 + " MiB"), message);
        assertTrue(message.contains(bits + " bits"), message);
    }

    @Test
    void widthOfAddressesIsThatOfTheProcessor() {
        assertEquals(36, AddressWidth.of(List.of()));
        assertEquals(
                46,
                AddressWidth.of(List.of(new CpuidEntry(0x8000_0008, 0, 0, 0x30_392e, 0, 0, 0))));
    }

    /// A guest may use the memory of ACPI tables again.
    @Test
    void generationIdIsInReservedMemoryThatExists() throws BootException {
        var map = new GuestMemoryMap(8L << 20);
        GuestMemoryMap.Entry entry =
                map.entries().stream()
                        .filter(it -> it.start() == GuestMemoryMap.GENERATION_ID)
                        .findFirst()
                        .orElseThrow();
        assertEquals(GuestMemoryMap.Type.RESERVED, entry.type());
    }

    @Test
    void ringsOfXenstoreAndConsoleAreSpecialPages() throws BootException {
        GuestMemoryMap.Slot special =
                new GuestMemoryMap(8L << 20)
                        .slots().stream()
                                .filter(slot -> slot.backing() == GuestMemoryMap.Backing.SPECIAL)
                                .findFirst()
                                .orElseThrow();
        assertEquals(special.start(), (GuestMemoryMap.XENSTORE_GFN - 4) << 12);
        assertEquals(special.start() + special.length(), (GuestMemoryMap.CONSOLE_GFN + 1) << 12);
    }

    @ParameterizedTest
    @ValueSource(
            longs = {
                Long.MIN_VALUE,
                -4096,
                0,
                1,
                (8L << 20) - 4096,
                (8L << 20) + 1,
                4096 * GIB + 4096
            })
    void otherSizesAreRefused(long bytes) {
        assertThrows(BootException.class, () -> new GuestMemoryMap(bytes));
    }

    @Test
    void aMachineOfXenHasItsOwnRanges() {
        var layout = new MachineLayout(0xf000_0000L, 0x9000, 1 << 20, 2);
        var map = new GuestMemoryMap(layout);
        assertEquals(0xf000_0000L, map.lowRamEnd());
        assertEquals(0x9000, map.acpiBytes());
        assertTrue(map.isRam(0xa_0000, 0x6_0000));
        assertTrue(map.isRam(1L << 32, 1 << 20));
        assertFalse(map.isRam(0xfc00_0000L, 0x1000));
        assertEquals(4, map.slots().size());
        // Pages are counted as the slots have them.
        assertEquals(0xeffff, layout.pageAt(0xeffff));
        assertEquals(-1, layout.pageAt(0xf0000));
        assertEquals(0xf0000, layout.pageAt(0xfc000));
        assertEquals(0xf0008, layout.pageAt(0xfc008));
        assertEquals(-1, layout.pageAt(0xfc009));
        assertEquals(0xf0009, layout.pageAt(0x100000));
        assertEquals(-1, layout.pageAt(0x100100));
        assertEquals(3, new GuestMemoryMap(new MachineLayout(4096, 4096, 0, 1)).slots().size());
    }

    @Test
    void isRamKnowsTheEdges() throws BootException {
        var map = new GuestMemoryMap(4 * GIB);
        assertTrue(map.isRam(0, 0xa0000));
        assertFalse(map.isRam(0, 0xa0001));
        assertFalse(map.isRam(0x1000, 0));
        assertTrue(map.isRam(3 * GIB - 1, 1));
        assertFalse(map.isRam(3 * GIB, 1));
        assertTrue(map.isRam(4 * GIB, GIB));
        assertFalse(map.isRam(4 * GIB, Long.MAX_VALUE));
        assertFalse(map.isRam(-1, 2));
    }
}
