package io.xenemu.core.startup;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/// The smallest kernel that the loader takes: a 64-bit ELF image with one segment, and the note with its 32-bit entry
/// (`XEN_ELFNOTE_PHYS32_ENTRY`, xen/include/public/elfnote.h). No guest ever runs it.
public final class TrainingKernel {
    private static final int ELF_HEADER = 64;
    private static final int PROGRAM_HEADER = 56;
    private static final int PT_LOAD = 1;
    private static final int PT_NOTE = 4;
    private static final short EM_X86_64 = 62;
    private static final int XEN_ELFNOTE_PHYS32_ENTRY = 18;
    private static final long ENTRY = 0x10_0000;
    private static final int DATA = 0x100;
    private static final int DATA_BYTES = 0x100;
    private static final int NOTE_BYTES = 20;

    private TrainingKernel() {}

    /// The file.
    public static byte[] image() {
        ByteBuffer file =
                ByteBuffer.allocate(DATA + DATA_BYTES + NOTE_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        file.putInt(0, 0x464c457f).put(4, (byte) 2).put(5, (byte) 1);
        file.putShort(16, (short) 2).putShort(18, EM_X86_64);
        file.putLong(32, ELF_HEADER).putShort(54, (short) PROGRAM_HEADER).putShort(56, (short) 2);
        header(file, ELF_HEADER, PT_LOAD, DATA, ENTRY, DATA_BYTES);
        header(file, ELF_HEADER + PROGRAM_HEADER, PT_NOTE, DATA + DATA_BYTES, 0, NOTE_BYTES);
        byte[] name = "Xen\0".getBytes(StandardCharsets.US_ASCII);
        file.position(DATA + DATA_BYTES);
        file.putInt(name.length).putInt(Integer.BYTES).putInt(XEN_ELFNOTE_PHYS32_ENTRY);
        file.put(name).putInt((int) ENTRY);
        return file.array();
    }

    private static void header(
            ByteBuffer file, int at, int type, long offset, long address, long bytes) {
        file.putInt(at, type).putInt(at + 4, 4);
        file.putLong(at + 8, offset).putLong(at + 16, address).putLong(at + 24, address);
        file.putLong(at + 32, bytes).putLong(at + 40, bytes);
    }
}
