package io.xenemu.core.memory;

import io.xenemu.kvm.memory.GuestMemory;
import java.util.List;

/// The account of the pages that a domain owns (Xen's `tot_pages`) and may own (`max_pages`). A page that is in no
/// address space any more still counts, as in Xen. Not thread-safe.
///
/// A domain may see more RAM than it owns (`maxmem` above `memory`), as with Xen's populate-on-demand. The guest's
/// balloon driver gives the difference up at its start, which does not reduce the pages that the domain owns.
public final class Reservation {
    /// Pages that a domain may own beyond its memory, as with xl (`LIBXL_MAXMEM_CONSTANT`): 1 MiB.
    static final long SLACK = (1 << 20) / GuestMemory.PAGE_SIZE;

    /// Pages of RAM that are not part of its memory: those of its ACPI tables.
    private final long beside;

    /// The most pages that it may ever own.
    private final long limit;

    private long max;
    private long owned;
    private long onDemand;

    /// @param memory the domain's memory, in pages
    /// @param visible the RAM that it sees, in pages: its memory or more
    /// @param beside pages that it owns in addition
    Reservation(long memory, long visible, long beside) {
        this.beside = beside;
        owned = memory + beside;
        onDemand = visible - memory;
        max = memory + SLACK;
        limit = visible + SLACK;
    }

    /// Pages that the domain owns.
    long owned() {
        return owned;
    }

    /// Pages that it may own.
    long max() {
        return max;
    }

    /// Pages of RAM that it sees and does not own.
    long onDemand() {
        return onDemand;
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

    /// Gives pages up: first those that the domain sees and does not own.
    void give(long pages) {
        long free = Math.min(pages, onDemand);
        onDemand -= free;
        owned -= pages - free;
    }

    /// Changes how many pages it may own, which can be fewer than it owns.
    ///
    /// @param memory in pages, without the slack that every domain has
    void setMax(long memory) {
        max = memory + SLACK;
    }

    /// Makes the domain own more of the RAM that it sees.
    ///
    /// @param memory the memory that it is to have, in pages; less changes nothing, as in Xen
    void ownUpTo(long memory) {
        long more = Math.clamp(memory + beside - owned, 0, onDemand);
        onDemand -= more;
        owned += more;
    }

    /// Takes over the account of a saved domain.
    ///
    /// @param state as saved
    /// @throws IllegalArgumentException if no domain can have it
    void restore(MemoryState.Account state) {
        for (long pages : List.of(state.owned(), state.max(), state.onDemand())) {
            if (pages < 0 || pages > limit) {
                throw new IllegalArgumentException(
                        "not the account of a domain of %d pages: %s".formatted(limit, state));
            }
        }
        owned = state.owned();
        max = state.max();
        onDemand = state.onDemand();
    }

    /// The account to be saved.
    MemoryState.Account save() {
        return new MemoryState.Account(owned, max, onDemand);
    }
}
