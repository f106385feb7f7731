package io.xenemu.core.boot;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BootFilesTest {
    private static final long LIMIT = 64L << 20;
    private static final int BIG = 4 << 20;

    @TempDir Path folder;

    private Path kernel = Path.of("");
    private GuestMemoryMap map = map();
    private PagedMemory memory = new PagedMemory(map);

    private static GuestMemoryMap map() {
        try {
            return new GuestMemoryMap(64L << 20);
        } catch (BootException e) {
            throw new AssertionError(e);
        }
    }

    @BeforeEach
    void newKernel() throws IOException {
        kernel = Files.write(folder.resolve("vmlinuz"), TestImages.bytes(TestImages.bzImage()));
    }

    private BootFiles open(String... modules) throws BootException {
        return BootFiles.open(kernel, List.of(modules), LIMIT);
    }

    private CpuEntry load(BootFiles files) throws BootException {
        return files.kernel().load(new BootRequest(map, memory, "", files.modules()));
    }

    private static byte[] gzip(byte[] bytes) throws IOException {
        var packed = new ByteArrayOutputStream();
        try (var out = new GZIPOutputStream(packed)) {
            out.write(bytes);
        }
        return packed.toByteArray();
    }

    /// Each module is a descriptor of the service.
    @Test
    void modulesAreCountedBeforeTheyAreOpened() {
        String[] modules = new String[StartInfo.MAX_MODULES + 1];
        Arrays.fill(modules, "/nowhere");

        assertEquals(kernel + ": more than 64 modules", failure(() -> open(modules)));
    }

    private static String failure(org.junit.jupiter.api.function.Executable attempt) {
        return assertThrows(BootException.class, attempt).getMessage();
    }

    @Test
    void textBehindTheModulesNameIsItsCommandLine() throws BootException {
        try (BootFiles files = open(kernel + " console=hvc0  quiet")) {
            assertEquals("console=hvc0  quiet", files.modules().getFirst().commandLine());
            assertEquals(Files.size(kernel), files.modules().getFirst().content().size());
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void fileWhoseNameHasBlanksWins() throws IOException, BootException {
        Path file = Files.write(folder.resolve("my initrd"), new byte[5]);
        try (BootFiles files = open(file.toString())) {
            assertEquals("", files.modules().getFirst().commandLine());
            assertEquals(5, files.modules().getFirst().content().size());
        }
    }

    @Test
    void missingFilesAndFoldersAreNamed() {
        String missing = folder + "/none";
        assertEquals("initrd " + missing + ": no such file", failure(() -> open(missing)));
        assertTrue(
                failure(() -> BootFiles.open(folder, List.of(), LIMIT))
                        .endsWith("not a regular file"));
    }

    @Test
    void bigModuleArrivesWhole() throws IOException, BootException {
        var bytes = new byte[BIG + 1];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) (i / 4096 + i);
        }
        Path initrd = Files.write(folder.resolve("initrd"), bytes);
        try (BootFiles files = open(initrd.toString())) {
            int start = memory.at(load(files).rsi(), 4096).getInt(0x218);
            assertArrayEquals(bytes, memory.read(start, bytes.length));
        }
    }

    /// The machine may have the package or not.
    @Test
    void missingBootLoaderIsReportedWithThePackageThatHasIt() {
        String missing = FileContent.missing(Path.of("/usr/lib/grub-xen/grub-i386-xen_pvh.bin"));
        assertEquals("no such file; the package grub-xen-host has it", missing);
        assertEquals("no such file", FileContent.missing(folder.resolve("kernel")));
    }

    @Test
    void kernelThatIsTruncatedWhileItIsOpenIsOneClearFailure() throws IOException, BootException {
        try (BootFiles files = open()) {
            Files.write(kernel, new byte[100]);
            assertEquals(
                    "kernel " + kernel + ": has become shorter while it was read",
                    failure(() -> load(files)));
        }
    }

    @Test
    void initramfsThatIsTruncatedWhileItIsOpenIsOneClearFailure()
            throws IOException, BootException {
        Path initrd = Files.write(folder.resolve("initrd"), new byte[BIG]);
        try (BootFiles files = open(initrd.toString())) {
            Files.write(initrd, new byte[0]);
            assertEquals(
                    "initrd " + initrd + ": has become shorter while it was read",
                    failure(() -> load(files)));
        }
    }

    @Test
    void nextBootTakesAKernelThatReplacedTheFile() throws IOException, BootException {
        try (BootFiles files = open()) {
            assertEquals(TestImages.LOAD + 0x200, load(files).rip());
        }
        Files.write(kernel, TestImages.bytes(TestImages.elf(true, 8)));
        try (BootFiles files = open()) {
            assertEquals(TestImages.ELF_ENTRY, load(files).rip());
        }
    }

    @Test
    void kernelPackedByGzipIsUnpacked() throws IOException, BootException {
        byte[] image = TestImages.bytes(TestImages.elf(true, 8));
        Files.write(kernel, gzip(Arrays.copyOf(image, BIG)));
        try (BootFiles files = open()) {
            assertEquals(TestImages.ELF_ENTRY, load(files).rip());
            assertArrayEquals(
                    Arrays.copyOfRange(image, 0x400, 0x500),
                    memory.read(TestImages.ELF_LOAD, 0x100));
        }
    }

    @Test
    void packedKernelMayNotUnpackToMoreThanTheLimit() throws IOException {
        byte[] image = TestImages.bytes(TestImages.elf(true, 8));
        Files.write(kernel, gzip(Arrays.copyOf(image, BIG + 1)));
        assertEquals(
                kernel + ": unpacks to more than 4 MiB, the limit for this guest",
                failure(() -> BootFiles.open(kernel, List.of(), BIG)));
    }

    @Test
    void brokenGzipFileIsOneClearFailure() throws IOException {
        byte[] packed = gzip(TestImages.bytes(TestImages.elf(true, 8)));
        Files.write(kernel, Arrays.copyOf(packed, packed.length / 2));
        assertTrue(failure(this::open).startsWith(kernel + ": broken gzip file: "));
    }

    @Test
    void kernelPackedTwiceIsRefused() throws IOException {
        Files.write(kernel, gzip(gzip(TestImages.bytes(TestImages.elf(true, 8)))));
        assertTrue(failure(this::open).contains("no such header"));
    }

    @Test
    void modulesThatDoNotFitAreFoundWithoutAGuest() throws IOException, BootException {
        Path initrd = folder.resolve("initrd");
        try (var file = new java.io.RandomAccessFile(initrd.toFile(), "rw")) {
            file.setLength(1L << 30);
        }
        try (BootFiles files = open(initrd.toString())) {
            var request = new BootRequest(map, BootMemory.ofNoGuest(), "", files.modules());
            assertTrue(failure(() -> files.kernel().load(request)).contains("no room in memory"));
        }
    }
}
