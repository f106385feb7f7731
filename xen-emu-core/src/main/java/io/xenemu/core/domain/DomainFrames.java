package io.xenemu.core.domain;

import io.xenemu.gnttab.GuestFrames;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.memory.MemFd;
import java.lang.foreign.MemorySegment;

/// A domain's pages as it grants them: RAM and special pages, numbered within the service by the domain's id and their place
/// in memory, so that moving or covering a page does not change which one has been granted.
final class DomainFrames implements GuestFrames {
    /// As many pages as no guest has: 256 TiB.
    private static final int PAGE_BITS = 36;

    private final DomainMemory memory;
    private final long base;

    DomainFrames(DomId id, DomainMemory memory) {
        this.memory = memory;
        this.base = (long) id.value() << PAGE_BITS;
    }

    @Override
    public long mfn(long gfn) {
        long page = memory.pageAt(gfn);
        return page < 0 ? page : mfnOf(page);
    }

    /// The machine frame of a page of [DomainMemory#pageAt].
    long mfnOf(long page) {
        return base + page;
    }

    @Override
    public MemorySegment memory(long mfn) {
        return memory.memoryOf(mfn - base);
    }

    /// The domain's RAM as a file.
    MemFd ram() {
        return memory.fileOf(0);
    }

    /// The file that contains a page, at [#offset].
    MemFd file(long mfn) {
        return memory.fileOf(mfn - base);
    }

    @Override
    public long offset(long mfn) {
        return memory.offsetOf(mfn - base);
    }
}
