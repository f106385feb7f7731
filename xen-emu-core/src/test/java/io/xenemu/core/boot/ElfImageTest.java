package io.xenemu.core.boot;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ElfImageTest {
    private static final int DATA = 0x400;
    private static final int NOTES = DATA + 0x100;

    private GuestMemoryMap map;
    private PagedMemory memory;

    @BeforeEach
    void newGuest() throws BootException {
        map = new GuestMemoryMap(16L << 20);
        memory = new PagedMemory(map);
    }

    private CpuEntry load(ByteBuffer file, BootModule... modules) throws BootException {
        return TestImages.parse(file).load(new BootRequest(map, memory, "a=1 b", List.of(modules)));
    }

    private static String failure(ByteBuffer file) {
        return assertThrows(BootException.class, () -> TestImages.parse(file)).getMessage();
    }

    @ParameterizedTest
    @CsvSource({"false,4", "false,8", "true,4", "true,8"})
    void entersIn32BitProtectedModeAtTheNote(boolean wide, int descriptor) throws BootException {
        CpuEntry entry = load(TestImages.elf(wide, descriptor));
        assertEquals(TestImages.ELF_ENTRY, entry.rip());
        assertEquals(0x11, entry.cr0());
        assertEquals(0, entry.cr4() | entry.efer() | entry.cr3());
        assertEquals(11, entry.cs().type());
        assertTrue(entry.cs().db() && entry.cs().g() && !entry.cs().l());
        assertEquals(0x67, entry.tr().limit());
    }

    @Test
    void segmentIsAtItsPhysicalAddress() throws BootException {
        ByteBuffer file = TestImages.elf(true, 8);
        load(file);
        assertArrayEquals(
                Arrays.copyOfRange(TestImages.bytes(file), DATA, DATA + 0x100),
                memory.read(TestImages.ELF_LOAD, 0x100));
        assertEquals(0, memory.read(TestImages.ELF_LOAD + 0x100, 1)[0]);
    }

    @Test
    void startInfoFollowsTheKernelAndDescribesEverything() throws BootException {
        CpuEntry entry = load(TestImages.elf(false, 4));
        assertEquals(TestImages.ELF_LOAD + 0x3000, entry.rbx());
        ByteBuffer info = memory.at(entry.rbx(), 56);
        assertEquals(0x336ec578, info.getInt(0));
        assertEquals(1, info.getInt(4));
        assertEquals(0, info.getInt(8));
        assertEquals(0, info.getInt(12));
        assertEquals(0, info.getLong(16));
        assertEquals("a=1 b", memory.text(info.getLong(24)));
        assertEquals(GuestMemoryMap.RSDP, info.getLong(32));
        assertEquals(map.entries().size(), info.getInt(48));
        ByteBuffer first = memory.at(info.getLong(40), 24);
        assertEquals(0, first.getLong(0));
        assertEquals(0xa0000, first.getLong(8));
        assertEquals(1, first.getInt(16));
    }

    @Test
    void modulesKeepTheirOrderAndCommandLines() throws BootException {
        var one = new BootModule("one", TestImages.content(new byte[] {1, 1, 1}), "console=hvc0");
        var two = new BootModule("two", TestImages.content(new byte[] {2}), "");
        var three = new BootModule("three", TestImages.content(new byte[0]), "z");
        ByteBuffer info = memory.at(load(TestImages.elf(true, 8), one, two, three).rbx(), 56);
        assertEquals(3, info.getInt(12));
        ByteBuffer list = memory.at(info.getLong(16), 96);
        assertEquals(1, memory.read(list.getLong(0), 1)[0]);
        assertEquals(3, list.getLong(8));
        assertEquals("console=hvc0", memory.text(list.getLong(16)));
        assertEquals(2, memory.read(list.getLong(32), 1)[0]);
        assertEquals(1, list.getLong(40));
        assertEquals(0, list.getLong(48));
        assertEquals(0, list.getLong(72));
        assertEquals("z", memory.text(list.getLong(80)));
        assertEquals("a=1 b", memory.text(info.getLong(24)));
        assertEquals((16 << 20) - 4096, list.getLong(0));
    }

    @Test
    void noteInASectionCountsWhenNoProgramHeaderHasNotes() throws BootException {
        ByteBuffer file = TestImages.elf(true, 8);
        file.putInt(64 + 56, 0);
        int sections = 0x300;
        file.putLong(40, sections).putShort(58, (short) 64).putShort(60, (short) 2);
        int first = sections + 64;
        file.putInt(first + 4, 7).putLong(first + 24, NOTES).putLong(first + 32, 0x60);
        assertEquals(TestImages.ELF_ENTRY, load(file).rip());
    }

    @Test
    void imageWithoutTheNoteIsRefused() {
        ByteBuffer file = TestImages.elf(true, 8);
        file.putInt(64 + 56, 0);
        assertTrue(failure(file).contains("no Xen PVH entry note"));
    }

    @ParameterizedTest
    @ValueSource(longs = {0x9f000, 0xfff000, 0xfc000000L, 0xfffff000L})
    void segmentOutsideRamIsRefused(long address) throws BootException {
        ByteBuffer file = TestImages.elf(true, 8);
        file.putLong(64 + 24, address);
        file.putInt(NOTES + 36 + 16, (int) (address + 0x10));
        assertThrows(BootException.class, () -> load(file));
    }

    @Test
    void segmentAbove4GiBIsRefused() {
        assertTrue(failure(TestImages.elf(true, 8).putLong(64 + 24, -4096)).contains("4 GiB"));
    }

    @Test
    void segmentBeyondTheFileIsRefused() {
        ByteBuffer file = TestImages.elf(true, 8).putLong(64 + 8, Long.MAX_VALUE);
        assertTrue(failure(file).contains("outside the file"));
    }

    @Test
    void entryOutsideTheSegmentsIsRefused() {
        ByteBuffer file = TestImages.elf(true, 8).putInt(NOTES + 36 + 16, 0x50_0000);
        assertTrue(failure(file).contains("entry point"));
    }

    @Test
    void executableOfAnotherMachineIsRefusedWithThatReason() {
        ByteBuffer file = TestImages.elf(true, 8);
        file.putInt(64 + 56, 0).putShort(18, (short) 183);
        assertTrue(failure(file).contains("not an x86 executable"));
    }
}
