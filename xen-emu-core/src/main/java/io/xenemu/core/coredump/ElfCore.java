package io.xenemu.core.coredump;

import io.xenemu.core.boot.GuestMemoryMap;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/// The layout of a core: an ELF file of 64 bits with one segment of notes, and one for each range of memory. Their
/// physical addresses are the guest's; so are the virtual ones, since nothing here knows the guest's page tables.
///
/// A guest of 32 bits has the same file, so that its registers are those of the 64-bit form.
///
/// Source: the ELF-64 object file format; core files as Linux and QEMU's `dump-guest-memory` write them.
final class ElfCore {
    static final int HEADER_SIZE = 64;
    static final int SEGMENT_SIZE = 56;
    static final int PT_LOAD = 1;
    static final int PT_NOTE = 4;

    /// Ranges of memory begin at multiples of this in the file, so that pages of zeros can be holes.
    static final long ALIGNMENT = GuestMemoryMap.PAGE_SIZE;

    private static final int ELFMAG = 0x464c457f;
    private static final byte ELFCLASS64 = 2;
    private static final byte ELFDATA2LSB = 1;
    private static final byte EV_CURRENT = 1;
    private static final int IDENT_SIZE = 16;
    private static final short ET_CORE = 4;
    private static final short EM_X86_64 = 62;
    private static final int READ_WRITE_EXECUTE = 7;

    /// Memory in the file.
    ///
    /// @param start guest physical
    /// @param length in bytes, whole pages
    /// @param offset in the file
    record Load(long start, long length, long offset) {}

    private final byte[] notes;
    private final List<Load> loads = new ArrayList<>();
    private final long size;

    /// @param ranges the ranges of memory, fewer than 65,535
    ElfCore(List<CoreRange> ranges, byte[] notes) {
        this.notes = notes.clone();
        long offset = HEADER_SIZE + (long) SEGMENT_SIZE * (ranges.size() + 1) + notes.length;
        offset = (offset + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        for (CoreRange range : ranges) {
            loads.add(new Load(range.start(), range.length(), offset));
            offset += range.length();
        }
        size = offset;
    }

    /// The place of each range in the file, in the order of the ranges.
    List<Load> loads() {
        return loads;
    }

    /// The file's size in bytes.
    long size() {
        return size;
    }

    /// The bytes before the memory: headers and notes.
    ByteBuffer head() {
        int segments = HEADER_SIZE + SEGMENT_SIZE * (loads.size() + 1);
        ByteBuffer head =
                ByteBuffer.allocate(segments + notes.length).order(ByteOrder.LITTLE_ENDIAN);
        head.putInt(ELFMAG).put(ELFCLASS64).put(ELFDATA2LSB).put(EV_CURRENT).position(IDENT_SIZE);
        head.putShort(ET_CORE).putShort(EM_X86_64).putInt(EV_CURRENT);
        // No entry point, the offset of the program headers, and no sections.
        head.putLong(0).putLong(HEADER_SIZE).putLong(0).putInt(0);
        head.putShort((short) HEADER_SIZE).putShort((short) SEGMENT_SIZE);
        head.putShort((short) (loads.size() + 1)).position(HEADER_SIZE);
        segment(head, PT_NOTE, 0, new Load(0, notes.length, segments));
        for (Load load : loads) {
            segment(head, PT_LOAD, READ_WRITE_EXECUTE, load);
        }
        return head.put(notes).flip();
    }

    /// Writes a program header without an alignment (p_align is 0). With one, and an offset that keeps it, `crash`
    /// takes the file for a core of netdump. It then ignores the processor states in the notes, and does not find a
    /// kernel that has moved itself.
    private static void segment(ByteBuffer to, int type, int flags, Load load) {
        to.putInt(type).putInt(flags).putLong(load.offset());
        to.putLong(load.start()).putLong(load.start());
        to.putLong(load.length()).putLong(type == PT_LOAD ? load.length() : 0);
        to.putLong(0);
    }
}
