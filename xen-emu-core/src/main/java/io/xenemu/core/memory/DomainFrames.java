package io.xenemu.core.memory;

import io.xenemu.gnttab.GrantTable;
import io.xenemu.gnttab.GuestFrames;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.kvm.memory.MemFd;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A domain's pages as it grants them: RAM and special pages, numbered within the service by their place in memory.
/// So moving or covering a page does not change which page has been granted.
public final class DomainFrames implements GuestFrames {
    private static final Logger log = LoggerFactory.getLogger(DomainFrames.class);

    private final DomainMemory memory;
    private final PageNumbers numbers;
    private final DeadMemory dead;
    private final long base;

    /// Pages of RAM that others still use after the end of the domain.
    private final Set<Long> kept = ConcurrentHashMap.newKeySet();

    private volatile boolean counted;

    public DomainFrames(DomainMemory memory, HostResources resources) {
        this.memory = memory;
        this.numbers = memory.numbers();
        this.dead = resources.deadMemory();
        this.base = resources.machineFrames().reserve(numbers.count());
    }

    @Override
    public long mfn(long gfn) {
        long page = memory.pageAt(gfn);
        return page < 0 ? page : mfnOf(page);
    }

    /// The machine frame number of a page number that [DomainMemory#pageAt] returned.
    public long mfnOf(long page) {
        return base + page;
    }

    @Override
    public MemorySegment memory(long mfn) {
        await(mfn, 1);
        return numbers.memoryOf(mfn - base);
    }

    /// Waits until pages are there that follow one another.
    void await(long mfn, int count) {
        numbers.await(mfn - base, count);
    }

    /// The domain's RAM as a file.
    MemFd ram() {
        return numbers.fileOf(0);
    }

    /// The file that contains a page, at [#offset].
    MemFd file(long mfn) {
        return numbers.fileOf(mfn - base);
    }

    /// Whether pages that follow one another by number do so in their [#file] too.
    ///
    /// @param mfn the first page
    /// @param count at least 1
    boolean areInOneFile(long mfn, int count) {
        return numbers.isRam(mfn - base) == numbers.isRam(mfn - base + count - 1);
    }

    @Override
    public long offset(long mfn) {
        return numbers.offsetOf(mfn - base);
    }

    @Override
    public void written(long mfn) {
        long page = mfn - base;
        if (numbers.isRam(page)) {
            numbers.ram().written(page);
        }
    }

    /// Adds the pages of RAM that others have mapped for writing.
    void writableByOthers(GrantTable grants, BitSet pages) {
        grants.writableByOthers(mfn -> {
            if (numbers.isRam(mfn - base)) {
                pages.set(Math.toIntExact(mfn - base));
            }
        });
    }

    @Override
    public void keepOnly(long[] mfns) {
        long[] pages = Arrays.stream(mfns).map(mfn -> mfn - base).filter(numbers::isRam).toArray();
        Arrays.stream(pages).forEach(kept::add);
        dead.add(pages.length * (long) GuestMemory.PAGE_SIZE + numbers.specialBytes());
        counted = true;
        numbers.keepOnly(pages);
    }

    /// Frees a page after its last use. Runs on the thread that ended that use, which must not fail because of it.
    @Override
    public void free(long mfn) {
        long page = mfn - base;
        if (!numbers.isRam(page)) {
            return;
        }
        try {
            numbers.free(page);
        } catch (KvmException e) {
            log.warn(
                    "a page of an ended domain is freed only with its last page: {}",
                    e.getMessage());
            return;
        }
        if (kept.remove(page)) {
            dead.subtract(GuestMemory.PAGE_SIZE);
        }
    }

    /// Notes that the rest of the memory has been freed.
    public void freed() {
        if (counted) {
            dead.subtract(kept.size() * (long) GuestMemory.PAGE_SIZE + numbers.specialBytes());
        }
    }
}
