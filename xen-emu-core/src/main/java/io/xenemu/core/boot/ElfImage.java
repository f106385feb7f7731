package io.xenemu.core.boot;

/// A 32- or 64-bit x86 ELF image with a Xen PVH entry note (`XEN_ELFNOTE_PHYS32_ENTRY`, Xen public/elfnote.h): a
/// Linux vmlinux, Xen's pv-shim, a test guest. Accepts the images that Xen's domain builder (libxenguest, libelf)
/// starts; like it, ignores the header's type and machine.
public final class ElfImage implements KernelImage {
    /// More program headers than any kernel has; the time to place them grows with their square.
    static final int MAX_PROGRAM_HEADERS = 1024;

    private static final long ELF_MAGIC = 0x464c457f;
    private static final int CLASS_32 = 1;
    private static final int CLASS_64 = 2;
    private static final int LITTLE_ENDIAN = 1;
    private static final int E_MACHINE = 18;
    private static final int EM_386 = 3;
    private static final int EM_X86_64 = 62;
    private static final int PT_LOAD = 1;
    private static final int PT_NOTE = 4;

    /// PF_R, PF_W, PF_X: one of them makes a segment loadable.
    private static final int PF_ANY = 7;

    private final String name;
    private final ElfSegments segments;
    private final long entry;

    private ElfImage(String name, ElfSegments segments, long entry) {
        this.name = name;
        this.segments = segments;
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
        return elfClass == CLASS_64 ? parse(file, Layout.ELF64) : parse(file, Layout.ELF32);
    }

    private static ElfImage parse(ImageReader file, Layout layout) throws BootException {
        long headers = layout.word(file, layout.phoff);
        int count = file.u16(layout.phnum);
        int size = file.u16(layout.phentsize);
        if (count == 0 || count > MAX_PROGRAM_HEADERS || size < layout.headerSize) {
            throw file.bad("%d program headers of %d bytes".formatted(count, size));
        }
        if (!file.has(headers, (long) count * size)) {
            throw file.bad("program headers outside the file");
        }
        var segments = new ElfSegments(file);
        var notes = new ElfNotes(file);
        for (int i = 0; i < count; i++) {
            long header = headers + (long) i * size;
            long kind = file.u32(header);
            long offset = layout.word(file, header + layout.offset);
            long filesz = layout.word(file, header + layout.filesz);
            if (kind == PT_LOAD && (file.u32(header + layout.flags) & PF_ANY) != 0) {
                segments.add(
                        layout.word(file, header + layout.paddr),
                        layout.word(file, header + layout.memsz),
                        offset,
                        filesz);
            } else if (kind == PT_NOTE && offset != 0) {
                // Some linkers set the file offset of notes to 0.
                notes.scan(offset, filesz);
            }
        }
        if (!notes.seen()) {
            scanSections(file, layout, notes);
        }
        long entry = notes.entry();
        if (entry < 0) {
            int machine = file.u16(E_MACHINE);
            boolean x86 = machine == EM_386 || machine == EM_X86_64;
            throw file.bad(x86 ? "no Xen PVH entry note" : "not an x86 executable");
        }
        segments.check(entry);
        return new ElfImage(file.name(), segments, entry);
    }

    /// Scans sections, since some linkers leave notes out of the program headers. Section 0 is none.
    private static void scanSections(ImageReader file, Layout layout, ElfNotes notes)
            throws BootException {
        long headers = layout.word(file, layout.shoff);
        int count = file.u16(layout.shnum);
        int size = file.u16(layout.shentsize);
        if (size < layout.sectionSize) {
            return;
        }
        for (int i = 1; i < count; i++) {
            long header = headers + (long) i * size;
            if (!file.has(header, layout.sectionSize)) {
                return;
            }
            if (file.u32(header + 4) == ElfNotes.SHT_NOTE) {
                notes.scan(
                        layout.word(file, header + layout.sectionOffset),
                        layout.word(file, header + layout.sectionBytes));
            }
        }
    }

    /// Puts the start info into the lowest free pages from 1 MiB on: Xen has mapped only 16 MiB when it reads it, Linux
    /// 1 GiB. The modules go as high as a 32-bit signed address allows.
    @Override
    public CpuEntry load(BootRequest request) throws BootException {
        var placement = new Placement(request.map());
        segments.load(placement, request.memory());
        return CpuEntry.pvh(entry, new StartInfo(name, request, placement).write());
    }

    /// Offsets in `Elf32_Ehdr`, `Elf32_Phdr`, `Elf32_Shdr` and their 64-bit forms.
    private enum Layout {
        ELF32(28, 32, 42, 44, 46, 48, 32, 4, 12, 16, 20, 24, 40, 16, 20),
        ELF64(32, 40, 54, 56, 58, 60, 56, 8, 24, 32, 40, 4, 64, 24, 32);

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
        private final int flags;
        private final int sectionSize;
        private final int sectionOffset;
        private final int sectionBytes;

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
            flags = at[11];
            sectionSize = at[12];
            sectionOffset = at[13];
            sectionBytes = at[14];
        }

        /// A field of the class's word size.
        long word(ImageReader file, long at) throws BootException {
            return this == ELF64 ? file.u64(at) : file.u32(at);
        }
    }
}
