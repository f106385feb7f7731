package io.xenemu.gnttab;

import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.memory.GuestMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// Domain 0's grant table. The service grants nothing. A guest that tries to map a grant of domain 0 gets the same
/// answer as for an entry that another domain has not granted.
public final class ServiceGrants implements AutoCloseable {
    private static final GrantLimits LIMITS = new GrantLimits(1, 0, 1);
    private final Arena arena = Arena.ofShared();
    private final GrantTable table;

    /// @param domains finds grant tables; must return this one for domain 0
    public ServiceGrants(Granters domains, MeterRegistry registry) {
        MemorySegment page = arena.allocate(GuestMemory.PAGE_SIZE, GuestMemory.PAGE_SIZE);
        table =
                new GrantTable(
                        DomId.DOM0,
                        LIMITS,
                        new GrantEnvironment(
                                domains, new OnePage(page), new NoFrames(), Physmap.none()),
                        new GrantTableMetrics(registry, DomId.DOM0));
    }

    /// The table.
    public GrantTable table() {
        return table;
    }

    /// Destroys the table. Called after the last domain has ended.
    @Override
    public void close() {
        table.destroy(arena::close);
    }

    private record OnePage(MemorySegment page) implements TablePages {
        @Override
        public MemorySegment grantFrame(int index) {
            return page;
        }

        @Override
        public MemorySegment statusFrame(int index) {
            throw new IllegalStateException("domain 0 uses version 1");
        }

        @Override
        public void removeStatusFrames() {
            throw new IllegalStateException("domain 0 uses version 1");
        }
    }

    private static final class NoFrames implements GuestFrames {
        @Override
        public long mfn(long gfn) {
            return NO_RAM;
        }

        @Override
        public MemorySegment memory(long mfn) {
            throw noPage(mfn);
        }

        @Override
        public long offset(long mfn) {
            throw noPage(mfn);
        }

        @Override
        public void written(long mfn) {
            throw noPage(mfn);
        }

        /// Does nothing: no page of domain 0 can have come into use.
        @Override
        public void keepOnly(long[] mfns) {}

        @Override
        public void free(long mfn) {
            throw noPage(mfn);
        }

        private static IllegalStateException noPage(long mfn) {
            return new IllegalStateException("not a page of domain 0: %#x".formatted(mfn));
        }
    }
}
