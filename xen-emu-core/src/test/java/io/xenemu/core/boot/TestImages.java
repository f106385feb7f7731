package io.xenemu.core.boot;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/// Small kernel images with everything that the loaders look at.
public final class TestImages {
    static final long LOAD = 0x100_0000;
    static final int PAYLOAD = 0x1000;
    static final int INIT_SIZE = 0x40_0000;
    static final long INITRD_MAX = 0x7fff_ffffL;
    static final long ELF_LOAD = 0x10_0000;
    static final long ELF_ENTRY = ELF_LOAD + 0x10;
    private static final int SETUP_SECTS = 3;
    private static final int ELF_DATA = 0x400;

    /// PF_R.
    private static final int READABLE = 4;

    private TestImages() {}

    public static ByteBuffer bzImage() {
        int setup = (SETUP_SECTS + 1) * 512;
        ByteBuffer file = buffer(setup + PAYLOAD);
        file.put(0x1f1, (byte) SETUP_SECTS).putShort(0x1fe, (short) 0xaa55);
        file.put(0x201, (byte) 0x6a).putInt(0x202, 0x53726448).putShort(0x206, (short) 0x20f);
        file.putInt(0x22c, (int) INITRD_MAX).putInt(0x230, 0x20_0000).put(0x234, (byte) 1);
        file.putShort(0x236, (short) 0x7f).putInt(0x238, 2047);
        file.putLong(0x258, LOAD).putInt(0x260, INIT_SIZE);
        for (int i = 0; i < PAYLOAD; i++) {
            file.put(setup + i, (byte) (i * 7));
        }
        return file;
    }

    /// A bzImage without a 64-bit entry point.
    static ByteBuffer bzImage32() {
        return bzImage().putShort(0x236, (short) 0);
    }

    /// One segment of 0x100 bytes in the file and 0x3000 in memory, and one table of notes.
    static ByteBuffer elf(boolean wide, int descriptorSize) {
        ByteBuffer file = buffer(ELF_DATA + 0x200);
        file.putInt(0, 0x464c457f).put(4, (byte) (wide ? 2 : 1)).put(5, (byte) 1);
        file.putShort(16, (short) 2).putShort(18, (short) (wide ? 62 : 3));
        int headers = wide ? 64 : 52;
        int size = wide ? 56 : 32;
        if (wide) {
            file.putLong(32, headers).putShort(54, (short) size).putShort(56, (short) 2);
        } else {
            file.putInt(28, headers).putShort(42, (short) size).putShort(44, (short) 2);
        }
        header(file, headers, wide, 1, ELF_DATA, ELF_LOAD, 0x100, 0x3000);
        header(file, headers + size, wide, 4, ELF_DATA + 0x100, 0, 0x60, 0x60);
        for (int i = 0; i < 0x100; i++) {
            file.put(ELF_DATA + i, (byte) ~i);
        }
        int second = note(file, ELF_DATA + 0x100, "GNU", 3, 20, 0x1234);
        note(file, second, "Xen", 18, descriptorSize, ELF_ENTRY);
        return file;
    }

    public static byte[] bytes(ByteBuffer file) {
        var bytes = new byte[file.capacity()];
        file.get(0, bytes);
        return bytes;
    }

    static BootContent content(byte... bytes) {
        return BootContent.of(MemorySegment.ofArray(bytes));
    }

    static KernelImage parse(ByteBuffer file) throws BootException {
        return KernelImage.parse("kernel", content(bytes(file)));
    }

    static void header(
            ByteBuffer file,
            int at,
            boolean wide,
            int type,
            long offset,
            long paddr,
            long filesz,
            long memsz) {
        file.putInt(at, type);
        if (wide) {
            file.putInt(at + 4, READABLE)
                    .putLong(at + 8, offset)
                    .putLong(at + 24, paddr)
                    .putLong(at + 32, filesz);
            file.putLong(at + 40, memsz).putLong(at + 48, 4);
        } else {
            file.putInt(at + 4, (int) offset).putInt(at + 12, (int) paddr);
            file.putInt(at + 16, (int) filesz).putInt(at + 20, (int) memsz);
            file.putInt(at + 24, READABLE).putInt(at + 28, 4);
        }
    }

    private static int note(ByteBuffer file, int at, String name, int type, int size, long value) {
        file.putInt(at, name.length() + 1).putInt(at + 4, size).putInt(at + 8, type);
        file.put(at + 12, name.getBytes(StandardCharsets.US_ASCII));
        int desc = at + 12 + (name.length() + 4) / 4 * 4;
        file.putInt(desc, (int) value);
        return desc + (size + 3) / 4 * 4;
    }

    private static ByteBuffer buffer(int size) {
        return ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
    }
}
