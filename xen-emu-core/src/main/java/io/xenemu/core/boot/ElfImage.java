package io.xenemu.core.boot;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/// A 32- or 64-bit x86 ELF image with a Xen PVH entry note (`XEN_ELFNOTE_PHYS32_ENTRY`, Xen public/elfnote.h): a Linux
/// vmlinux, Xen's pv-shim, a test guest. Segments go to their physical addresses.
public final class ElfImage implements KernelImage {
    /// More program headers than any kernel has.
    static final int MAX_PROGRAM_HEADERS = 128;

    private static final long ELF_MAGIC = 0x464c457f;
    private static final int CLASS_32 = 1;
    private static final int CLASS_64 = 2;
    private static final int LITTLE_ENDIAN = 1;
    private static final int ET_EXEC = 2;
    private static final int ET_DYN = 3;
    private static final int EM_386 = 3;
    private static final int EM_X86_64 = 62;
    private static final int PT_LOAD = 1;
    private static final int PT_NOTE = 4;

    private final String name;
    private final List<Segment> segments;
    private final long entry;

    private ElfImage(String name, List<Segment> segments, long entry) {
        this.name = name;
        this.segments = List.copyOf(segments);
        this.entry = entry;
    }

    static boolean hasMagic(ImageReader file) throws BootException {
        return file.has(0, 4) && file.u32(0) == ELF_MAGIC;
    }

    static ElfImage parse(ImageReader file) throws BootException {
        int elfClass = file.u8(4);
        if ((elfClass != CLASS_32 && elfClass != CLASS_64) || file.u8(5) != LITTLE_ENDIAN) {
            throw file.bad("unknown ELF class or byte order");
        }
        int type = file.u16(16);
        int machine = file.u16(18);
        if ((type != ET_EXEC && type != ET_DYN) || (machine != EM_386 && machine != EM_X86_64)) {
            throw file.bad("not an x86 executable");
        }
        return elfClass == CLASS_64 ? parse(file, Layout.ELF64) : parse(file, Layout.ELF32);
    }

    private static ElfImage parse(ImageReader file, Layout layout) throws BootException {
        long headers = layout.word(file, layout.phoff);
        int count = file.u16(layout.phnum);
        int size = file.u16(layout.phentsize);
        if (count == 0 || count > MAX_PROGRAM_HEADERS || size < layout.headerSize) {
            throw file.bad("%d program headers of %d bytes".formatted(count, size));
        }
        var segments = new ArrayList<Segment>();
        var notes = new ElfNotes(file);
        for (int i = 0; i < count; i++) {
            if (!file.has(headers, (i + 1L) * size)) {
                throw file.bad("program headers outside the file");
            }
            long header = headers + (long) i * size;
            long kind = file.u32(header);
            if (kind == PT_LOAD) {
                segments.add(segment(file, layout, header));
            } else if (kind == PT_NOTE) {
                notes.scan(
                        layout.word(file, header + layout.offset),
                        layout.word(file, header + layout.filesz),
                        layout.word(file, header + layout.align));
            }
        }
        if (!notes.seen()) {
            scanSections(file, layout, notes);
        }
        long entry = notes.entry();
        if (segments.stream().noneMatch(segment -> segment.contains(entry))) {
            throw file.bad("its PVH entry point lies in no segment");
        }
        return new ElfImage(file.name(), segments, entry);
    }

    private static Segment segment(ImageReader file, Layout layout, long header)
            throws BootException {
        long offset = layout.word(file, header + layout.offset);
        long filesz = layout.word(file, header + layout.filesz);
        long paddr = layout.word(file, header + layout.paddr);
        long memsz = layout.word(file, header + layout.memsz);
        if (!file.has(offset, filesz) || memsz < filesz) {
            throw file.bad("segment outside the file");
        }
        if (paddr < 0
                || paddr >= GuestMemoryMap.HIGH_RAM_START
                || memsz > GuestMemoryMap.HIGH_RAM_START - paddr) {
            throw file.bad("segment above 4 GiB");
        }
        return new Segment(paddr, memsz, file.slice(offset, filesz));
    }

    /// Some linkers leave notes out of the program headers.
    private static void scanSections(ImageReader file, Layout layout, ElfNotes notes)
            throws BootException {
        long headers = layout.word(file, layout.shoff);
        int count = file.u16(layout.shnum);
        int size = file.u16(layout.shentsize);
        if (size < layout.sectionSize || !file.has(headers, (long) count * size)) {
            return;
        }
        for (int i = 0; i < count; i++) {
            long header = headers + (long) i * size;
            if (file.u32(header + 4) == ElfNotes.SHT_NOTE) {
                notes.scan(
                        layout.word(file, header + layout.sectionOffset),
                        layout.word(file, header + layout.sectionBytes),
                        layout.word(file, header + layout.sectionAlign));
            }
        }
    }

    /// Puts the start info into the lowest free pages from 1 MiB on: Linux has mapped 1 GiB when it reads them, Xen only
    /// 16 MiB. The modules go as high as a 32-bit signed address allows.
    @Override
    public CpuEntry load(BootRequest request) throws BootException {
        var placement = new Placement(request.map());
        for (Segment segment : segments) {
            if (!placement.take(segment.paddr, segment.memsz)) {
                throw new BootException(
                        "%s: needs %d KiB of memory at 0x%x, which this guest has not free"
                                .formatted(name, (segment.memsz >> 10) + 1, segment.paddr));
            }
            request.memory().write(segment.paddr, segment.content);
        }
        return CpuEntry.pvh(entry, new StartInfo(name, request, placement).write());
    }

    private record Segment(long paddr, long memsz, MemorySegment content) {
        boolean contains(long address) {
            return address >= paddr && address - paddr < memsz;
        }
    }

    /// Offsets in `Elf32_Ehdr`, `Elf32_Phdr`, `Elf32_Shdr` and their 64-bit forms.
    private enum Layout {
        ELF32(28, 32, 42, 44, 46, 48, 32, 4, 12, 16, 20, 28, 40, 16, 20, 32),
        ELF64(32, 40, 54, 56, 58, 60, 56, 8, 24, 32, 40, 48, 64, 24, 32, 48);

        private final int phoff;
        private final int shoff;
        private final int phentsize;
        private final int phnum;
        private final int shentsize;
        private final int shnum;
        private final int headerSize;
        private final int offset;
        private final int paddr;
        private final int filesz;
        private final int memsz;
        private final int align;
        private final int sectionSize;
        private final int sectionOffset;
        private final int sectionBytes;
        private final int sectionAlign;

        Layout(int... at) {
            phoff = at[0];
            shoff = at[1];
            phentsize = at[2];
            phnum = at[3];
            shentsize = at[4];
            shnum = at[5];
            headerSize = at[6];
            offset = at[7];
            paddr = at[8];
            filesz = at[9];
            memsz = at[10];
            align = at[11];
            sectionSize = at[12];
            sectionOffset = at[13];
            sectionBytes = at[14];
            sectionAlign = at[15];
        }

        /// A field of the class's word size.
        long word(ImageReader file, long at) throws BootException {
            return this == ELF64 ? file.u64(at) : file.u32(at);
        }
    }
}
