package io.xenemu.core.migration;

import io.xenemu.kvm.memory.GuestMemory;

/// Numbers of the format of saved guests, for both sides. `docs/saved-state.md` has the whole format.
final class SaveFormat {
    /// "XENEMUSV", little-endian.
    static final long MAGIC = 0x5653_554d_454e_4558L;

    /// The only format so far. A reader refuses all others.
    static final int FORMAT = 1;

    /// The version of each section's body but that of [SectionType#CONFIG].
    static final int VERSION = 1;

    /// Bytes of the stream's header: magic, format, CRC.
    static final int HEADER_BYTES = Long.BYTES + 2 * Integer.BYTES;

    /// Bytes before a section's body: type, version, length.
    static final int SECTION_HEADER_BYTES = 3 * Integer.BYTES;

    /// Bytes after it.
    static final int CRC_BYTES = Integer.BYTES;

    /// The most bytes of a section of [SectionType#DATA]; writers fill each but the last.
    static final int CHUNK_BYTES = 1 << 20;

    /// The most pages of a section of [SectionType#PAGES]: enough that the cost of a section does not count, and few
    /// enough to stay in a processor's cache.
    static final int BATCH_PAGES = 256;

    /// The number in place of an encoding for pages of zeros, which have no bytes: they had another content in an
    /// earlier round.
    static final int ZEROS = 2;

    /// Bytes of that section before its runs: encoding, number of runs.
    static final int PAGES_HEADER_BYTES = 2 * Integer.BYTES;

    /// Bytes of a run: first page, number of pages.
    static final int RUN_BYTES = 2 * Integer.BYTES;

    static final int PAGE = Math.toIntExact(GuestMemory.PAGE_SIZE);

    /// The longest that such a section's body can be: each page a run of its own.
    static final int MAX_PAGES_BYTES = PAGES_HEADER_BYTES + BATCH_PAGES * (RUN_BYTES + PAGE);

    /// The most guests in one stream: more than a host has that are saved together.
    static final int MAX_GUESTS = 1024;

    /// The most boot files of a guest: a kernel, and more modules than a kernel takes.
    static final int MAX_FILES = 256;

    /// The longest name or path, in bytes.
    static final int MAX_TEXT_BYTES = 16 << 10;

    /// The most bytes of the frames of a guest's state. The largest is a XenStore that has used up its quota.
    static final long MAX_STATE_BYTES = 1L << 30;

    /// The most bytes of a boot file: more than a guest has room for.
    static final long MAX_FILE_BYTES = 1L << 40;

    /// The most pages of RAM: 4 TiB, since page numbers have 30 bits.
    static final long MAX_RAM_PAGES = 1L << 30;

    /// Bytes of a block of a disk: the unit in which its writes are noted, and in which it is sent.
    static final int BLOCK = 64 << 10;

    static final int BLOCK_PAGES = BLOCK / PAGE;

    /// The most disks of a guest whose content goes with it.
    static final int MAX_DISKS = 256;

    /// The most bytes of such a disk: 4 TiB, since page numbers have 30 bits.
    static final long MAX_DISK_BYTES = MAX_RAM_PAGES * PAGE;

    static final int SHA256_BYTES = 32;

    private SaveFormat() {}
}
