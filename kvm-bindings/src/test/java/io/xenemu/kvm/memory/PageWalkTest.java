package io.xenemu.kvm.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.Arena;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// Examples by hand, each with the numbers of the manual.
class PageWalkTest {
    private static final int RIGHTS = 0x63; // present, writable, accessed, dirty

    private final Arena arena = Arena.ofConfined();
    private final GuestMemory memory = new GuestMemory();
    private final PageWalk walk = new PageWalk(memory);

    @BeforeEach
    void addRam() {
        memory.add(0, arena.allocate(0x10000, 4096));
    }

    @AfterEach
    void close() {
        arena.close();
    }

    @Test
    void fourLevelsReachA4KiBPage() throws Exception {
        memory.write64(0x1000 + 8 * 0x1ff, 0x2000 | RIGHTS);
        memory.write64(0x2000 + 8 * 0x1fe, 0x3000 | RIGHTS);
        memory.write64(0x3000 + 8 * 5, 0x4000 | RIGHTS);
        memory.write64(0x4000 + 8 * 7, 0x5000 | RIGHTS | (1L << 63));
        long address = (-1L << 39) | (0x1feL << 30) | (5 << 21) | (7 << 12) | 0x123;
        assertEquals(0x5123, walk.translate(Registers.fourLevel(0x1000), address, true));
    }

    @Test
    void pse36GivesAddressBits32To39() throws Exception {
        memory.write32(0x1000 + 4, 0x0040_0000 | (0xff << 13) | 0x80 | RIGHTS);
        assertEquals(
                0xff_0040_0000L | 0x12345,
                walk.translate(Registers.legacy(0x1000), 0x0041_2345, false));
    }

    @Test
    void gigabytePageKeeps30Bits() throws Exception {
        memory.write64(0x1000, 0x2000 | RIGHTS);
        memory.write64(0x2000 + 8, (3L << 30) | 0x80 | RIGHTS);
        assertEquals(
                0xc000_0000L | 0x3fff_fffe,
                walk.translate(Registers.fourLevel(0x1000), 0x7fff_fffe, false));
    }

    @Test
    void readOnlyPageFaultsForWritesUnderWriteProtectAlone() throws Exception {
        memory.write32(0x1000, 0x2000 | RIGHTS);
        memory.write32(0x2000, 0x3001);
        Registers cpu = Registers.legacy(0x1000);
        assertThrows(XenError.class, () -> walk.translate(cpu, 0, true));
        assertEquals(0x3000, walk.translate(cpu, 0, false));
        assertEquals(0x3000, walk.translate(cpu.withoutWriteProtect(), 0, true));
    }

    @Test
    void accessedAndDirtyAreSetAsTheProcessorWould() throws Exception {
        memory.write32(0x1000, 0x2003);
        memory.write32(0x2000, 0x3003);
        walk.translate(Registers.legacy(0x1000), 0, false);
        assertEquals(0x2023, memory.read32(0x1000));
        assertEquals(0x3023, memory.read32(0x2000));
        walk.translate(Registers.legacy(0x1000), 0, true);
        assertEquals(0x2023, memory.read32(0x1000));
        assertEquals(0x3063, memory.read32(0x2000));
    }

    @Test
    void nonCanonicalAddressFaults() {
        assertThrows(
                XenError.class, () -> walk.translate(Registers.fourLevel(0x1000), 1L << 47, false));
    }

    @Test
    void tableOutsideMemoryFaults() {
        assertThrows(XenError.class, () -> walk.translate(Registers.fourLevel(0x40000), 0, false));
        assertThrows(
                XenError.class,
                () -> walk.translate(Registers.fourLevel(0xf_ffff_ffff_f000L), -1, false));
    }

    @Test
    void tableThatPointsToItselfEnds() throws Exception {
        memory.write64(0x1000, 0x1000 | RIGHTS);
        assertEquals(0x1008, walk.translate(Registers.fiveLevel(0x1000), 8, true));
    }

    @Test
    void upperHalfOfAnAddressIsIgnoredOutside64BitMode() throws Exception {
        assertEquals(0x1234, walk.translate(Registers.unpaged(), 0xabcd_0000_1234L, false));
    }
}
