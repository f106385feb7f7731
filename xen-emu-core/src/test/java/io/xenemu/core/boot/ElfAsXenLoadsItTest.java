package io.xenemu.core.boot;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Images with odd headers that libelf of Xen's domain builder takes.
class ElfAsXenLoadsItTest {
    private static final int HEADER = 64;
    private static final int HEADER_SIZE = 56;
    private static final int NOTES_HEADER = HEADER + HEADER_SIZE;
    private static final int FREE_HEADER = HEADER + 2 * HEADER_SIZE;
    private static final int DATA = 0x400;
    private static final int NOTES = DATA + 0x100;
    private static final int XEN_NOTE = NOTES + 36;
    private static final int PT_LOAD = 1;

    private GuestMemoryMap map;
    private PagedMemory memory;
    private ByteBuffer file;

    @BeforeEach
    void newGuest() throws BootException {
        map = new GuestMemoryMap(16L << 20);
        memory = new PagedMemory(map);
        file = TestImages.elf(true, 8);
    }

    private CpuEntry load() throws BootException {
        return TestImages.parse(file).load(new BootRequest(map, memory, "", List.of()));
    }

    private String failure() {
        return assertThrows(BootException.class, this::load).getMessage();
    }

    /// One more segment.
    private void segment(long offset, long paddr, long filesz, long memsz) {
        file.putShort(56, (short) 3);
        TestImages.header(file, FREE_HEADER, true, PT_LOAD, offset, paddr, filesz, memsz);
    }

    private byte[] inFile(int offset, int length) {
        return Arrays.copyOfRange(TestImages.bytes(file), offset, offset + length);
    }

    @Test
    void notesPackedBy4InASegmentAlignedTo8() throws BootException {
        file.putLong(NOTES_HEADER + 48, 8);
        assertEquals(TestImages.ELF_ENTRY, load().rip());
    }

    @Test
    void nameSizeWithoutTheZero() throws BootException {
        file.putInt(XEN_NOTE, 3);
        assertEquals(TestImages.ELF_ENTRY, load().rip());
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 4, 8})
    void entryOfAnyWholeWidth(int size) throws BootException {
        file.putInt(XEN_NOTE + 4, size);
        file.putLong(HEADER + 24, 0).putLong(HEADER + 40, 0x9f000);
        file.putLong(XEN_NOTE + 16, 0x8010);
        assertEquals(0x8010, load().rip());
    }

    @Test
    void noteAfterOneThatEndsPastTheFileIsIgnored() {
        file.putInt(NOTES + 4, Integer.MAX_VALUE);
        assertTrue(failure().contains("no Xen PVH entry note"));
    }

    @Test
    void noteWhoseDescriptorReachesOverTheTable() throws BootException {
        file.putLong(NOTES_HEADER + 32, 36 + 16);
        assertEquals(TestImages.ELF_ENTRY, load().rip());
    }

    @Test
    void sectionNoteCountsIfSegmentsHaveOnlyOtherNotes() throws BootException {
        int sections = 0x300;
        file.putLong(NOTES_HEADER + 32, 36);
        file.putLong(40, sections).putShort(58, (short) 64).putShort(60, (short) 2);
        int second = sections + 64;
        file.putInt(second + 4, 7).putLong(second + 24, XEN_NOTE).putLong(second + 32, 0x18);
        assertEquals(TestImages.ELF_ENTRY, load().rip());
    }

    @Test
    void emptySegmentWhoseOffsetIsPastTheEnd() throws BootException {
        segment(0x10_0000, 0x20_0000, 0, 0x1000);
        assertEquals(TestImages.ELF_ENTRY, load().rip());
    }

    @Test
    void segmentInsideTheBssOfAnother() throws BootException {
        segment(DATA, TestImages.ELF_LOAD + 0x1000, 0x80, 0x80);
        load();
        assertArrayEquals(inFile(DATA, 0x80), memory.read(TestImages.ELF_LOAD + 0x1000, 0x80));
        assertArrayEquals(inFile(DATA, 0x100), memory.read(TestImages.ELF_LOAD, 0x100));
    }

    @Test
    void laterBssZeroesAnEarlierSegment() throws BootException {
        segment(0, TestImages.ELF_LOAD + 0x80, 0, 0x40);
        load();
        assertArrayEquals(inFile(DATA, 0x80), memory.read(TestImages.ELF_LOAD, 0x80));
        assertArrayEquals(new byte[0x40], memory.read(TestImages.ELF_LOAD + 0x80, 0x40));
        assertArrayEquals(inFile(DATA + 0xc0, 0x40), memory.read(TestImages.ELF_LOAD + 0xc0, 0x40));
    }

    @Test
    void segmentThatMayNeitherBeReadNorWrittenNorRunIsNotLoaded() throws BootException {
        segment(DATA, 0xfc00_0000L, 0x80, 0x80);
        file.putInt(FREE_HEADER + 4, 0);
        assertEquals(TestImages.ELF_ENTRY, load().rip());
    }

    @Test
    void notesWithoutAnOffsetAreNotLookedAt() {
        file.putLong(NOTES_HEADER + 8, 0);
        assertTrue(failure().contains("no Xen PVH entry note"));
    }

    @ParameterizedTest
    @ValueSource(shorts = {1, 4})
    void typeOfFileDoesNotMatter(short type) throws BootException {
        file.putShort(16, type);
        assertEquals(TestImages.ELF_ENTRY, load().rip());
    }

    @Test
    void imageThatWouldBeWrittenManyTimesIsRefused() {
        ByteBuffer many = ByteBuffer.allocate(0x1000).order(ByteOrder.LITTLE_ENDIAN);
        many.put(0, TestImages.bytes(file));
        file = many;
        for (int i = 0; i < 4; i++) {
            TestImages.header(
                    file,
                    0x800 + i * HEADER_SIZE,
                    true,
                    PT_LOAD,
                    DATA,
                    TestImages.ELF_LOAD,
                    0x100,
                    0x3000);
        }
        file.put(0x800 + 3 * HEADER_SIZE, inFile(NOTES_HEADER, HEADER_SIZE));
        file.putLong(32, 0x800).putShort(56, (short) 4);
        assertTrue(failure().contains("overlap too often"));
    }

    @Test
    void numberOfNotesIsBounded() {
        int size = 1 << 20;
        ByteBuffer big = ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
        big.put(0, TestImages.bytes(file));
        file = big;
        // Notes of 12 bytes each, and after them Xen's note.
        file.put(size - 0x40, inFile(XEN_NOTE, 0x18));
        file.putLong(NOTES_HEADER + 8, size - 0x40 - 12 * 65535).putLong(NOTES_HEADER + 32, size);
        assertEquals(TestImages.ELF_ENTRY, assertLoads());
        file.putLong(NOTES_HEADER + 8, size - 0x40 - 12 * 65536);
        assertTrue(failure().contains("no Xen PVH entry note"));
    }

    private long assertLoads() {
        try {
            return load().rip();
        } catch (BootException e) {
            throw new AssertionError(e);
        }
    }
}
