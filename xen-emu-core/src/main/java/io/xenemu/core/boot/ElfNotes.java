package io.xenemu.core.boot;

/// Looks for Xen's PVH entry point among an ELF file's notes.
final class ElfNotes {
    /// Section type of notes.
    static final int SHT_NOTE = 7;

    /// Over all tables of a file, however often they overlap; kernels have some dozens.
    static final int MAX_NOTES = 4096;

    /// `XEN_ELFNOTE_PHYS32_ENTRY`.
    private static final int PHYS32_ENTRY = 18;

    private static final int HEADER = 12;
    private static final long NAME_XEN = 0x006e6558;
    private static final int NAME_XEN_SIZE = 4;

    private final ImageReader file;
    private int count;
    private long entry = -1;

    ElfNotes(ImageReader file) {
        this.file = file;
    }

    /// Reads one table of notes. Fields are aligned to 4 bytes, or to 8 if the table says so.
    void scan(long offset, long size, long align) throws BootException {
        if (!file.has(offset, size)) {
            throw file.bad("notes outside the file");
        }
        long unit = align == 8 ? 8 : 4;
        long end = offset + size;
        for (long at = offset; end - at >= HEADER; ) {
            if (++count > MAX_NOTES) {
                throw file.bad("more than " + MAX_NOTES + " notes");
            }
            long nameSize = file.u32(at);
            long descSize = file.u32(at + 4);
            long desc = up(at + HEADER + nameSize - offset, unit) + offset;
            if (desc > end || descSize > end - desc) {
                throw file.bad("broken note");
            }
            if (isEntry(at, nameSize, descSize)) {
                entry = file.u32(desc);
            }
            at = up(desc + descSize - offset, unit) + offset;
        }
    }

    private boolean isEntry(long at, long nameSize, long descSize) throws BootException {
        return file.u32(at + 8) == PHYS32_ENTRY
                && nameSize == NAME_XEN_SIZE
                && file.u32(at + HEADER) == NAME_XEN
                && (descSize == 4 || descSize == 8);
    }

    /// Whether the file had any note.
    boolean seen() {
        return count > 0;
    }

    /// The physical entry point: the low 32 bits of the descriptor, which is 4 or 8 bytes long.
    long entry() throws BootException {
        if (entry < 0) {
            throw file.bad("no Xen PVH entry note");
        }
        return entry;
    }

    private static long up(long value, long unit) {
        return (value + unit - 1) & -unit;
    }
}
