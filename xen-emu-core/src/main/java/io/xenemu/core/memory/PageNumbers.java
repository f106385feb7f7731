package io.xenemu.core.memory;

import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.kvm.memory.MemFd;
import java.lang.foreign.MemorySegment;

/// The permanent numbers of a domain's own pages: RAM pages first, then special pages. A number does not change when
/// the page moves or is covered. Any thread may use it.
///
/// @param ram the pages of RAM
/// @param special the special pages
record PageNumbers(RamPages ram, SpecialPages special) {
    /// The number of page numbers.
    long count() {
        return ram.count() + special.count();
    }

    /// Whether a page number is one of RAM.
    boolean isRam(long page) {
        return page < ram.count();
    }

    /// The page number of a special page.
    long ofSpecial(long page) {
        return ram.count() + page;
    }

    /// Waits until pages are there that follow one another in one file.
    void await(long page, int count) {
        if (isRam(page)) {
            ram.await(page, count);
        }
    }

    /// The memory that contains a page number's page, without a guest's overlays.
    MemorySegment memoryOf(long page) {
        return isRam(page) ? ram.all() : special.pages();
    }

    /// The file that contains a page number's page.
    MemFd fileOf(long page) {
        return isRam(page) ? ram.file() : special.memfd();
    }

    /// Offset of a page number's page in [#memoryOf] and [#fileOf].
    long offsetOf(long page) {
        return (isRam(page) ? page : page - ram.count()) * GuestMemory.PAGE_SIZE;
    }

    /// Bytes of the special pages.
    long specialBytes() {
        return special.pages().byteSize();
    }

    /// Gives all RAM back to the host, except some pages, after the end of the guest.
    ///
    /// @param pages in ascending order
    void keepOnly(long[] pages) {
        long from = 0;
        for (long page : pages) {
            ram.discard(from, page);
            from = page + 1;
        }
        ram.discard(from, ram.count());
    }

    /// Gives a page of RAM back to the host, after the end of the guest.
    void free(long page) {
        ram.discard(page, page + 1);
    }
}
