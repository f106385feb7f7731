package io.xenemu.core.boot;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class BzImageTest {
    private static final long MEMORY = 64L << 20;

    private final GuestMemoryMap map = map(MEMORY);
    private final PagedMemory memory = new PagedMemory(map);

    private static GuestMemoryMap map(long bytes) {
        try {
            return new GuestMemoryMap(bytes);
        } catch (BootException e) {
            throw new AssertionError(e);
        }
    }

    private CpuEntry load(ByteBuffer file, String commandLine, BootModule... modules)
            throws BootException {
        return TestImages.parse(file)
                .load(new BootRequest(map, memory, commandLine, List.of(modules)));
    }

    private static BootModule module(int size, String commandLine) {
        var bytes = new byte[size];
        Arrays.fill(bytes, (byte) size);
        return new BootModule("initrd", TestImages.content(bytes), commandLine);
    }

    private static String failure(ByteBuffer file) {
        return assertThrows(BootException.class, () -> TestImages.parse(file)).getMessage();
    }

    @Test
    void startsInLongModeAtThe64BitEntry() throws BootException {
        CpuEntry entry = load(TestImages.bzImage(), "");
        assertEquals(TestImages.LOAD + 0x200, entry.rip());
        assertEquals(0x8000_0031L, entry.cr0());
        assertEquals(0x20, entry.cr4());
        assertEquals(0x500, entry.efer());
        assertEquals(0x10, entry.cs().selector());
        assertTrue(entry.cs().l());
        assertEquals(0x18, entry.data().selector());
    }

    @Test
    void payloadIsAtThePreferredAddress() throws BootException {
        ByteBuffer file = TestImages.bzImage();
        load(file, "");
        byte[] payload =
                Arrays.copyOfRange(TestImages.bytes(file), 4 * 512, 4 * 512 + TestImages.PAYLOAD);
        assertArrayEquals(payload, memory.read(TestImages.LOAD, TestImages.PAYLOAD));
    }

    @Test
    void pageTablesMapTheFirst4GiBToThemselves() throws BootException {
        CpuEntry entry = load(TestImages.bzImage(), "");
        for (long address : new long[] {0, 0x1234567, 0x7fff_ffffL, 0xfc00_0000L, 0xffff_ffffL}) {
            long pml4e = memory.at(entry.cr3(), 8).getLong();
            assertEquals(3, pml4e & 0xfff);
            long pdpte = memory.at((pml4e & -4096) + (address >> 30) * 8, 8).getLong();
            assertEquals(3, pdpte & 0xfff);
            long pde = memory.at((pdpte & -4096) + (address >> 21 & 511) * 8, 8).getLong();
            assertEquals(0x83, pde & 0xfff);
            assertEquals(address & -(1L << 21), pde & -4096);
        }
    }

    @Test
    void bootParamsHoldHeaderCommandLineMapAndRsdp() throws BootException {
        CpuEntry entry = load(TestImages.bzImage(), "console=ttyS0 x=1");
        ByteBuffer params = memory.at(entry.rsi(), 4096);
        assertEquals(0x53726448, params.getInt(0x202));
        assertEquals(0xff, params.get(0x210) & 0xff);
        assertEquals(1, params.get(0x211) & 1);
        assertEquals(GuestMemoryMap.RSDP, params.getLong(0x70));
        assertEquals("console=ttyS0 x=1", memory.text(params.getInt(0x228)));
        assertEquals(map.entries().size(), params.get(0x1e8));
        for (int i = 0; i < map.entries().size(); i++) {
            GuestMemoryMap.Entry expected = map.entries().get(i);
            assertEquals(expected.start(), params.getLong(0x2d0 + i * 20));
            assertEquals(expected.length(), params.getLong(0x2d8 + i * 20));
            assertEquals(expected.type().number(), params.getInt(0x2e0 + i * 20));
        }
    }

    @Test
    void initramfsesAreOnePieceAtTheTopOfMemory() throws BootException {
        CpuEntry entry = load(TestImages.bzImage(), "", module(5001, ""), module(7, ""));
        ByteBuffer params = memory.at(entry.rsi(), 4096);
        int start = params.getInt(0x218);
        assertEquals(MEMORY - 8192, start);
        assertEquals(5004 + 7, params.getInt(0x21c));
        assertEquals((byte) 5001, memory.read(start, 1)[0]);
        assertEquals(0, memory.read(start + 5001, 1)[0]);
        assertEquals(7, memory.read(start + 5004, 1)[0]);
    }

    @Test
    void initramfsStaysBelowTheKernelsLimit() throws BootException {
        ByteBuffer file = TestImages.bzImage();
        file.putInt(0x22c, 0x17f_ffff);
        CpuEntry entry = load(file, "", module(100, ""));
        assertEquals(0x17f_f000, memory.at(entry.rsi(), 4096).getInt(0x218));
    }

    @Test
    void initramfsWithArgumentsIsRefused() {
        assertThrows(BootException.class, () -> load(TestImages.bzImage(), "", module(1, "a=b")));
    }

    @Test
    void initramfsThatDoesNotFitIsRefused() {
        var huge = new BootModule("big", TestImages.content(new byte[48 << 20]), "");
        assertThrows(BootException.class, () -> load(TestImages.bzImage(), "", huge));
    }

    @Test
    void commandLineLimitIsTheKernels() throws BootException {
        load(TestImages.bzImage(), "x".repeat(2047));
        assertThrows(BootException.class, () -> load(TestImages.bzImage(), "x".repeat(2048)));
    }

    @Test
    void tooLittleMemoryIsOneClearLine() {
        var request = new BootRequest(map(16L << 20), new PagedMemory(map), "", List.of());
        String message =
                assertThrows(
                                BootException.class,
                                () -> TestImages.parse(TestImages.bzImage()).load(request))
                        .getMessage();
        assertEquals(
                "kernel: needs 5 MiB of memory at 0x1000000, which this guest does not have",
                message);
    }

    @Test
    void oldProtocolIsRefused() {
        assertTrue(failure(TestImages.bzImage().putShort(0x206, (short) 0x20b)).contains("2.11"));
    }

    @Test
    void kernelWithout64BitEntryStartsAtIts32BitOne() throws BootException {
        CpuEntry entry = load(TestImages.bzImage32(), "console=hvc0", module(100, ""));
        assertEquals(TestImages.LOAD, entry.rip());
        assertEquals(0x11, entry.cr0());
        assertEquals(0, entry.cr3() | entry.cr4() | entry.efer() | entry.rbx());
        assertEquals(0x10, entry.cs().selector());
        assertTrue(entry.cs().db() && entry.cs().g() && !entry.cs().l());
        assertEquals(0x18, entry.data().selector());
        ByteBuffer gdt = memory.at(entry.gdt(), entry.gdtLimit() + 1);
        assertEquals(0x00cf_9b00_0000_ffffL, gdt.getLong(0x10));
        assertEquals(0x00cf_9300_0000_ffffL, gdt.getLong(0x18));
        ByteBuffer params = memory.at(entry.rsi(), 4096);
        assertEquals("console=hvc0", memory.text(params.getInt(0x228)));
        assertEquals(100, params.getInt(0x21c));
    }

    @Test
    void initramfsMayLieAbove2GiBWhereTheKernelSaysSo() throws BootException {
        var big = map(4L << 30);
        var guest = new PagedMemory(big);
        ByteBuffer file = TestImages.bzImage().putInt(0x22c, -1);
        CpuEntry entry =
                TestImages.parse(file)
                        .load(new BootRequest(big, guest, "", List.of(module(100, ""))));
        assertEquals(
                0xbfff_f000L, Integer.toUnsignedLong(guest.at(entry.rsi(), 4096).getInt(0x218)));
    }

    @Test
    void otherFilesAreRefusedByName() {
        String message =
                assertThrows(
                                BootException.class,
                                () ->
                                        KernelImage.parse(
                                                "notes.txt",
                                                TestImages.content(
                                                        "hello"
                                                                .getBytes(
                                                                        StandardCharsets
                                                                                .US_ASCII))))
                        .getMessage();
        assertEquals("notes.txt: not a bzImage or PVH ELF image: no such header", message);
    }
}
