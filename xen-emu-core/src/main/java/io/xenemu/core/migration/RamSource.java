package io.xenemu.core.migration;

import io.xenemu.core.memory.DomainMemory;
import io.xenemu.kvm.memory.MemFd;
import java.lang.foreign.MemorySegment;

/// The RAM of a guest, to be saved. Nothing writes to it meanwhile.
public interface RamSource {
    /// All pages, by their numbers.
    MemorySegment pages();

    /// The first offset from `from` on that may have other bytes than zeros; the size of RAM if there is none.
    long nextData(long from);

    /// The first offset from `from` on that has no memory, so that reading it would cost some; the size of RAM if there
    /// is none.
    long nextHole(long from);

    /// The RAM of a domain.
    static RamSource of(DomainMemory memory) {
        return new RamSource() {
            @Override
            public MemorySegment pages() {
                return memory.ram();
            }

            @Override
            public long nextData(long from) {
                return memory.nextRamData(from);
            }

            @Override
            public long nextHole(long from) {
                return memory.nextRamHole(from);
            }
        };
    }

    /// Memory that is wholly a guest's RAM.
    ///
    /// @param pages a mapping of all of it
    static RamSource of(MemFd file, MemorySegment pages) {
        return new RamSource() {
            @Override
            public MemorySegment pages() {
                return pages;
            }

            @Override
            public long nextData(long from) {
                return file.nextData(from);
            }

            @Override
            public long nextHole(long from) {
                return file.nextHole(from);
            }
        };
    }
}
