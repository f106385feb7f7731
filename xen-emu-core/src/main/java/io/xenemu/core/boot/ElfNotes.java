package io.xenemu.core.boot;

/// Finds Xen's PVH entry point among an ELF file's notes, as libelf of Xen's domain builder does. Entries are padded to
/// 4 bytes, whatever the table's alignment is. The name ends with a NUL, whatever its size is. A table that leads out
/// of the file just ends.
final class ElfNotes {
    /// Section type of notes.
    static final int SHT_NOTE = 7;

    /// The most notes in all tables of a file, however they overlap (ELF_MAX_TOTAL_NOTE_COUNT of libelf); kernels
    /// have a few dozen.
    static final int MAX_NOTES = 65536;

    /// `XEN_ELFNOTE_PHYS32_ENTRY`.
    private static final int PHYS32_ENTRY = 18;

    private static final int HEADER = 12;
    private static final int UNIT = 4;
    private static final int NAME_SIZE = 4;

    /// "Xen" and a NUL.
    private static final long NAME_XEN = 0x006e6558;

    private final ImageReader file;
    private int count;
    private boolean seen;
    private long entry = -1;

    ElfNotes(ImageReader file) {
        this.file = file;
    }

    /// Reads one table of notes.
    void scan(long offset, long size) throws BootException {
        if (!file.has(offset, 0)) {
            return;
        }
        long end = size > file.size() - offset || size < 0 ? file.size() : offset + size;
        long at = offset;
        while (at < end && file.has(at, HEADER) && count < MAX_NOTES) {
            count++;
            long desc = at + HEADER + up(file.u32(at));
            long descSize = file.u32(at + 4);
            if (isOfXen(at)) {
                seen = true;
                if (file.u32(at + 8) == PHYS32_ENTRY) {
                    entry = number(desc, descSize);
                }
            }
            at = desc + up(descSize);
        }
    }

    private boolean isOfXen(long note) throws BootException {
        return file.has(note + HEADER, NAME_SIZE) && file.u32(note + HEADER) == NAME_XEN;
    }

    /// The low 32 bits of a descriptor of 1, 2, 4 or 8 bytes; libelf reads other sizes as 0.
    private long number(long desc, long size) throws BootException {
        if (!file.has(desc, size)) {
            return 0;
        }
        if (size == 1) {
            return file.u8(desc);
        }
        if (size == 2) {
            return file.u16(desc);
        }
        return size == 4 || size == 8 ? file.u32(desc) : 0;
    }

    /// Whether the file has a note of Xen, of any type.
    boolean seen() {
        return seen;
    }

    /// The physical entry point, or -1. The last note counts.
    long entry() {
        return entry;
    }

    private static long up(long value) {
        return (value + UNIT - 1) & -UNIT;
    }
}
