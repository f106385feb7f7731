package io.xenemu.core.memory;

import com.google.common.collect.Maps;
import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.kvm.memory.MemFd;
import io.xenemu.kvm.memory.MemoryBarrier;
import io.xenemu.kvm.memory.MissingPages;
import java.lang.foreign.MemorySegment;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.function.LongPredicate;
import org.jspecify.annotations.Nullable;

/// A domain's RAM in one memfd, by page number. First comes a page for each frame of RAM in the memory map; that frame
/// is the page's home. Spare pages without a home follow. A page may be at another frame than its home. Not
/// thread-safe.
///
/// This class knows which page is where; [DomainMemory] shows it to the guest.
final class RamPages implements AutoCloseable {
    /// The number of spare pages: 64 MiB of a sparse file. They are for frames outside of the memory map, and for
    /// frames whose page others still use. Each shown one costs two or four mappings, so no domain of a default host
    /// can have more.
    static final int SPARES = 1 << 14;

    private final MemFd file;

    /// All pages, without pages that cover them for the guest.
    private final MemorySegment all;

    private final int homes;

    /// The pages that are not at home: given up, or at another frame.
    private final BitSet gone = new BitSet();

    /// The page at each frame that is not the page's home.
    private final Map<Long, Integer> displaced = new TreeMap<>();

    /// The pages in [#displaced].
    private final BitSet away = new BitSet();

    /// The spare pages that are not free: they are at a frame, or others used them when the guest gave them up.
    /// Numbered from 0.
    private final BitSet spares = new BitSet();

    /// The pages that were given back while others had still to come: they are zero, and have the host's memory until
    /// all have come. A page that is there must not be missing again.
    private final BitSet givenBack = new BitSet();

    private volatile @Nullable MissingPages missing;

    /// Where pages are marked that change without a write to them; null for nowhere.
    private volatile @Nullable DirtyPages dirty;

    /// @param name for /proc/PID/maps
    /// @param bytes of the pages that have a home
    /// @param filled all pages with their contents, taken over; null for new pages
    /// @throws IllegalArgumentException if that has another size
    RamPages(String name, long bytes, @Nullable MemFd filled) {
        homes = Math.toIntExact(bytes / GuestMemory.PAGE_SIZE);
        long size = bytes + (long) SPARES * GuestMemory.PAGE_SIZE;
        file = filled == null ? MemFd.createLarge(name, size) : filled;
        try {
            if (file.size() != size) {
                throw new IllegalArgumentException(
                        "RAM of %d bytes in place of %d".formatted(file.size(), size));
            }
            all = file.map(0, file.size());
        } catch (RuntimeException e) {
            file.close();
            throw e;
        }
    }

    MemFd file() {
        return file;
    }

    MemorySegment all() {
        return all;
    }

    /// A page, which is there.
    MemorySegment page(int page) {
        await(page, 1);
        return all.asSlice(offset(page), GuestMemory.PAGE_SIZE);
    }

    static long offset(int page) {
        return (long) page * GuestMemory.PAGE_SIZE;
    }

    /// Lets pages come later, or ends that.
    ///
    /// @param pages the pages that are not there yet; null for none
    void awaits(@Nullable MissingPages pages) {
        missing = pages;
        if (pages == null) {
            for (int i = givenBack.nextSetBit(0); i >= 0; i = givenBack.nextSetBit(i + 1)) {
                discard(i);
            }
            givenBack.clear();
        }
    }

    /// Marks pages from now on whose contents change, except by a write to [#page]; null ends that.
    void logTo(@Nullable DirtyPages pages) {
        dirty = pages;
    }

    /// Marks a page that was written, or may have been.
    void written(long page) {
        MemoryBarrier.afterWrite();
        DirtyPages marked = dirty;
        if (marked != null) {
            marked.mark(page);
        }
    }

    /// Makes a page zero, which the guest has.
    void zero(int page) {
        page(page).fill((byte) 0);
        written(page);
    }

    /// Adds the pages that are at another frame than their home: KVM logs the guest's writes to them elsewhere.
    void addDisplaced(BitSet pages) {
        pages.or(away);
    }

    /// Waits until pages are there that follow one another.
    void await(long page, int pages) {
        MissingPages late = missing;
        if (late != null) {
            late.await(
                    all.address() + page * GuestMemory.PAGE_SIZE,
                    (long) pages * GuestMemory.PAGE_SIZE);
        }
    }

    /// The number of pages; page numbers are below it.
    long count() {
        return (long) homes + SPARES;
    }

    /// Whether a page with a home is not at its home.
    boolean isGone(int page) {
        return gone.get(page);
    }

    /// The page at a frame that is not its home, or null.
    @Nullable Integer displacedAt(long gfn) {
        return displaced.get(gfn);
    }

    /// The pages that are at another frame than their home, by that frame.
    Map<Long, MemorySegment> displacedPages() {
        return Maps.transformValues(displaced, this::page);
    }

    /// Whether a page can be used, zeroed: it is not at another frame, and others do not use it.
    boolean isFree(int page, LongPredicate inUse) {
        return !away.get(page) && !inUse.test(page);
    }

    /// Puts a page at its home, zeroed.
    void comeHome(int page) {
        gone.clear(page);
        discard(page);
        givenBack.clear(page);
    }

    /// Puts a page at its home, as it is.
    void returnHome(int page) {
        gone.clear(page);
    }

    /// Notes that a page is not at home any more. The guest loses it, unless it goes to another frame.
    void leave(int page) {
        gone.set(page);
    }

    /// Whether that many spare pages are free. If not, first takes back those that others no longer use.
    ///
    /// @param inUse whether others use a page
    boolean hasSpares(int wanted, LongPredicate inUse) {
        if (wanted > SPARES - spares.cardinality()) {
            // Takes back pages that others used when the guest gave them up.
            for (int i = spares.nextSetBit(0); i >= 0; i = spares.nextSetBit(i + 1)) {
                if (isFree(homes + i, inUse)) {
                    discard(homes + i);
                    spares.clear(i);
                }
            }
        }
        return wanted <= SPARES - spares.cardinality();
    }

    /// A zeroed spare page, after [#hasSpares].
    int takeSpare() {
        int spare = spares.nextClearBit(0);
        spares.set(spare);
        givenBack.clear(homes + spare);
        return homes + spare;
    }

    /// Notes that a page is at a frame that is not its home.
    void displace(long gfn, int page) {
        displaced.put(gfn, page);
        away.set(page);
    }

    /// Notes that the page is not at this frame any more. The caller puts it at another frame, or calls [#free].
    int retrieve(long gfn) {
        int page = Objects.requireNonNull(displaced.remove(gfn), "no displaced page there");
        away.clear(page);
        written(page);
        return page;
    }

    /// Gives the memory of a page that is at no frame back to the host, unless others use it.
    void free(int page, LongPredicate inUse) {
        if (inUse.test(page)) {
            return;
        }
        discard(page);
        if (page >= homes) {
            spares.clear(page - homes);
        }
    }

    /// Gives the memory of some pages back to the host.
    void discard(long from, long to) {
        if (from < to) {
            long length = (to - from) * GuestMemory.PAGE_SIZE;
            file.discard(all.asSlice(from * GuestMemory.PAGE_SIZE, length));
        }
    }

    private void discard(int page) {
        if (missing == null) {
            discard(page, page + 1L);
        } else {
            page(page).fill((byte) 0);
            givenBack.set(page);
        }
        written(page);
    }

    PageRuns saveGone() {
        return PageRuns.of(gone);
    }

    List<MemoryState.Displaced> saveDisplaced() {
        return displaced.entrySet().stream()
                .map(it -> new MemoryState.Displaced(it.getValue(), it.getKey()))
                .toList();
    }

    /// Takes over the saved set of pages that are gone. Displaced pages are put back one by one.
    ///
    /// @throws IllegalArgumentException if the domain does not have such a page
    void restoreGone(PageRuns pages) {
        if (pages.length() > homes) {
            throw new IllegalArgumentException("it has given up pages that it does not have");
        }
        pages.addTo(gone);
    }

    /// Checks that a saved domain's page can be at a frame that is not its home, and takes it.
    ///
    /// @throws IllegalArgumentException if not
    void restoreDisplaced(int page) {
        if (page < 0 || page >= count() || away.get(page) || (page < homes && !gone.get(page))) {
            throw new IllegalArgumentException("page %d cannot be displaced".formatted(page));
        }
        if (page >= homes) {
            spares.set(page - homes);
        }
    }

    @Override
    public void close() {
        file.close();
    }
}
