package io.xenemu.core.memory;

import io.xenemu.kvm.memory.GuestMemory;

/// The account of the pages that a domain owns (Xen's `tot_pages`) and may own (`max_pages`). A page that is in no
/// address space any more still counts, as in Xen. Not thread-safe.
public final class Reservation {
    /// Pages that a domain may own beyond its configured memory, as with xl (`LIBXL_MAXMEM_CONSTANT`): 1 MiB.
    private static final long SLACK = (1 << 20) / GuestMemory.PAGE_SIZE;

    private final long max;
    private long owned;

    /// @param pages the pages owned at first
    /// @param configured its configured memory, in pages
    Reservation(long pages, long configured) {
        owned = pages;
        max = configured + SLACK;
    }

    /// Pages that the domain owns.
    long owned() {
        return owned;
    }

    /// Pages that it may own.
    long max() {
        return max;
    }

    /// Whether it may own that many more.
    boolean admits(long pages) {
        return pages <= max - owned;
    }

    /// Adds pages to those owned.
    ///
    /// @return false if it may not own that many more; then nothing has happened
    boolean take(long pages) {
        if (!admits(pages)) {
            return false;
        }
        owned += pages;
        return true;
    }

    /// Takes over the account of a saved domain.
    ///
    /// @throws IllegalArgumentException if it may not own that many
    void restore(long pages) {
        if (pages < 0 || pages > max) {
            throw new IllegalArgumentException(
                    "a domain of %d pages at most owns %d".formatted(max, pages));
        }
        owned = pages;
    }

    /// Gives pages back.
    void give(long pages) {
        owned -= pages;
    }
}
