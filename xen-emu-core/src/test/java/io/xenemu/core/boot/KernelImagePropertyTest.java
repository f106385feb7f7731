package io.xenemu.core.boot;

import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.Size;

/// A file of any content is either a kernel that stays within the guest's memory, or gives one clear failure.
class KernelImagePropertyTest {
    /// A 32-bit value put somewhere into an image.
    record Patch(int at, int value) {}

    private static final long SMALL = 32L << 20;

    @Property(tries = 1000)
    void arbitraryBytesNeverFailOtherwise(@ForAll @Size(max = 2048) byte[] bytes) {
        loadOrRefuse(bytes, SMALL);
    }

    @Property(tries = 1000)
    void arbitraryBytesBehindAMagicNeverFailOtherwise(
            @ForAll @Size(min = 700, max = 4096) byte[] bytes, @ForAll boolean elf) {
        if (elf) {
            System.arraycopy(TestImages.bytes(TestImages.elf(true, 8)), 0, bytes, 0, 20);
        } else {
            System.arraycopy(TestImages.bytes(TestImages.bzImage()), 0x1fe, bytes, 0x1fe, 10);
        }
        loadOrRefuse(bytes, SMALL);
    }

    @Property(tries = 1000)
    void patchedImagesNeverFailOtherwise(
            @ForAll("images") byte[] image,
            @ForAll("patches") List<Patch> patches,
            @ForAll boolean cut,
            @ForAll("ramSizes") long ram) {
        ByteBuffer file = ByteBuffer.wrap(image.clone()).order(ByteOrder.LITTLE_ENDIAN);
        for (Patch patch : patches) {
            file.putInt(patch.at % (image.length - 4), patch.value);
        }
        byte[] bytes = TestImages.bytes(file);
        int size = cut && !patches.isEmpty() ? patches.getFirst().at % bytes.length : bytes.length;
        loadOrRefuse(Arrays.copyOf(bytes, size), ram);
    }

    private static void loadOrRefuse(byte[] bytes, long ram) {
        try {
            GuestMemoryMap map = new GuestMemoryMap(ram);
            KernelImage image = KernelImage.parse("file", TestImages.content(bytes));
            var module = new BootModule("m", TestImages.content(new byte[100]), "");
            CpuEntry entry =
                    image.load(new BootRequest(map, new PagedMemory(map), "x", List.of(module)));
            assertNotNull(entry);
        } catch (BootException e) {
            assertTrue(e.getMessage().startsWith("file: "), e.getMessage());
        }
    }

    @Provide
    Arbitrary<byte[]> images() {
        return Arbitraries.of(
                TestImages.bytes(TestImages.bzImage()),
                TestImages.bytes(TestImages.bzImage32()),
                TestImages.bytes(TestImages.elf(false, 4)),
                TestImages.bytes(TestImages.elf(true, 8)));
    }

    /// On both sides of 2 GiB, of the hole below 4 GiB, and of 4 GiB.
    @Provide
    Arbitrary<Long> ramSizes() {
        return Arbitraries.oneOf(
                        Arbitraries.of(8L, 32L, 2047L, 2049L, 3072L, 3073L, 4096L, 6144L),
                        Arbitraries.longs().between(8, 6144))
                .map(mib -> mib << 20);
    }

    /// Mostly in the headers, often with values at the edges of ranges.
    @Provide
    Arbitrary<List<Patch>> patches() {
        Arbitrary<Integer> at =
                Arbitraries.oneOf(
                        Arbitraries.integers().between(0, 0xff),
                        Arbitraries.integers().between(0x1f0, 0x270),
                        // initrd_addr_max, cmdline_size, pref_address, init_size
                        Arbitraries.of(0x22c, 0x238, 0x258, 0x25c, 0x260),
                        Arbitraries.integers().between(0x4f0, 0x560),
                        Arbitraries.integers().between(0, 4000));
        Arbitrary<Integer> value =
                Arbitraries.oneOf(
                        Arbitraries.of(0, 1, -1, 0x7fff_ffff, 0x8000_0000, 0x400, 0x10_0000),
                        Arbitraries.integers());
        return Combinators.combine(at, value).as(Patch::new).list().ofMaxSize(4);
    }
}
