package io.xenemu.gnttab.bench;

import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.gnttab.GrantCopy;
import io.xenemu.gnttab.GrantEnvironment;
import io.xenemu.gnttab.GrantLimits;
import io.xenemu.gnttab.GrantMapping;
import io.xenemu.gnttab.GrantRef;
import io.xenemu.gnttab.GrantStatus;
import io.xenemu.gnttab.GrantTable;
import io.xenemu.gnttab.GrantTableMetrics;
import io.xenemu.gnttab.Granters;
import io.xenemu.gnttab.GuestFrames;
import io.xenemu.gnttab.MapBatch;
import io.xenemu.gnttab.Physmap;
import io.xenemu.gnttab.TablePages;
import io.xenemu.gnttab.UnmapBatch;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Threads;
import org.openjdk.jmh.annotations.Warmup;

/// The cost of grants without the way to them, and without the system calls that make a page appear. One domain maps
/// and copies pages that another one grants, in either version.
///
/// ```
/// ./mvnw -q -pl xen-gnttab -am test-compile dependency:build-classpath -Dmdep.outputFile=target/test.classpath
/// cd xen-gnttab
/// java -cp "target/test-classes:target/classes:$(cat target/test.classpath)" \
///     org.openjdk.jmh.Main GrantTableBenchmark -prof gc
/// ```
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class GrantTableBenchmark {
    private static final DomId GRANTER = new DomId(1);
    private static final DomId MAPPER = new DomId(2);
    private static final int PAGE = 4096;
    private static final int PAGES = 64;
    private static final int BATCH = 32;
    private static final int THREADS = 2;
    private static final int HOST_MAP = 2;
    private static final long AT = 0x10_0000;
    private static final int REF = 8;

    @Param({"1", "2"})
    int version;

    private final MeterRegistry registry = new SimpleMeterRegistry();
    private final Arena arena = Arena.ofShared();
    private final MapBatch maps = new MapBatch();
    private final UnmapBatch unmaps = new UnmapBatch();
    private final GrantMapping mapping = new GrantMapping();
    private final Guest granter = new Guest(GRANTER);
    private final Guest mapper = new Guest(MAPPER);
    private final GrantCopy copy = mapper.table.newCopy();

    /// A domain whose every page is RAM, and in whose address space there is room everywhere.
    private final class Guest implements TablePages, GuestFrames, Physmap {
        private final MemorySegment ram = arena.allocate((long) PAGES * PAGE, PAGE);
        final MemorySegment entries = arena.allocate(PAGE, PAGE);
        private final MemorySegment status = arena.allocate(PAGE, PAGE);
        private final Granters domains =
                id -> id.equals(GRANTER) ? table(true) : id.equals(MAPPER) ? table(false) : null;
        final GrantTable table;

        Guest(DomId id) {
            table =
                    new GrantTable(
                            id,
                            new GrantLimits(1, 1, 2),
                            new GrantEnvironment(domains, this, this, this),
                            new GrantTableMetrics(registry, id));
        }

        @Override
        public MemorySegment grantFrame(int index) {
            return entries;
        }

        @Override
        public MemorySegment statusFrame(int index) {
            return status;
        }

        @Override
        public void removeStatusFrames() {}

        @Override
        public long mfn(long gfn) {
            return gfn >= 0 && gfn < PAGES ? gfn : NO_RAM;
        }

        @Override
        public MemorySegment memory(long mfn) {
            return ram;
        }

        @Override
        public long offset(long mfn) {
            return mfn * PAGE;
        }

        @Override
        public void written(long mfn) {}

        @Override
        public void keepOnly(long[] mfns) {}

        @Override
        public void free(long mfn) {}

        @Override
        public boolean place(long gfn, GuestFrames owner, long mfn, int count, boolean readOnly) {
            return true;
        }

        @Override
        public boolean remove(long gfn, long[] mfns, int count) {
            return true;
        }
    }

    private GrantTable table(boolean granting) {
        return granting ? granter.table : mapper.table;
    }

    @Setup(Level.Trial)
    public void prepare() throws XenError {
        granter.table.setVersion(version);
        for (int i = 0; i < PAGES; i++) {
            int ref = REF + i;
            grant(ref, i % 2 == 0 ? MAPPER : DomId.DOM0, i);
        }
    }

    private void grant(int ref, DomId to, int gfn) {
        int permitAccess = 1 | to.value() << Short.SIZE;
        if (version == 2) {
            granter.entries.set(ValueLayout.JAVA_LONG, 16L * ref + 8, gfn);
            granter.entries.set(ValueLayout.JAVA_INT, 16L * ref, permitAccess);
        } else {
            granter.entries.set(ValueLayout.JAVA_INT, 8L * ref + 4, gfn);
            granter.entries.set(ValueLayout.JAVA_INT, 8L * ref, permitAccess);
        }
    }

    @TearDown(Level.Trial)
    public void close() {
        mapper.table.destroy(() -> {});
        granter.table.destroy(() -> {});
        arena.close();
    }

    private static void mapAndUnmapOne(
            GrantTable table, int ref, MapBatch maps, UnmapBatch unmaps) {
        maps.clear();
        maps.add(AT, HOST_MAP, ref, GRANTER);
        table.map(maps);
        require(maps.status(0));
        unmaps.clear();
        unmaps.add(AT, maps.handle(0));
        table.unmap(unmaps);
        require(unmaps.status(0));
    }

    private static void require(GrantStatus status) {
        if (status != GrantStatus.OKAY) {
            throw new IllegalStateException(status.name());
        }
    }

    @Benchmark
    public void mapAndUnmap() {
        mapAndUnmapOne(mapper.table, REF, maps, unmaps);
    }

    /// As a back end maps a request of many segments; the time is that of one.
    @Benchmark
    @OperationsPerInvocation(BATCH)
    public void mapAndUnmapBatch() {
        maps.clear();
        for (int i = 0; i < BATCH; i++) {
            maps.add(AT + (long) i * PAGE, HOST_MAP, REF + 2 * i, GRANTER);
        }
        mapper.table.map(maps);
        unmaps.clear();
        for (int i = 0; i < BATCH; i++) {
            require(maps.status(i));
            unmaps.add(AT + (long) i * PAGE, maps.handle(i));
        }
        mapper.table.unmap(unmaps);
        for (int i = 0; i < BATCH; i++) {
            require(unmaps.status(i));
        }
    }

    @Benchmark
    public void backendMapAndUnmap() {
        GrantRef ref = new GrantRef(REF + 1);
        require(granter.table.backend().map(ref, DomId.DOM0, false, mapping));
        require(granter.table.backend().unmap(mapping));
    }

    @Benchmark
    public void copyPage() {
        copy.from(GRANTER, true, REF, 0);
        copy.to(DomId.SELF, false, 3, 0);
        require(copy.run(PAGE));
    }

    /// The cost of a copy besides copying.
    @Benchmark
    public void copyNothing() {
        copy.from(GRANTER, true, REF, 0);
        copy.to(DomId.SELF, false, 3, 0);
        require(copy.run(0));
    }

    /// The copying alone.
    @Benchmark
    public void copyPageOfMemory() {
        MemorySegment.copy(granter.ram, 0, mapper.ram, 3 * PAGE, PAGE);
    }

    @Benchmark
    public GrantStatus querySize() {
        return mapper.table.querySize(DomId.SELF);
    }

    /// A vCPU that maps an entry of its own.
    @State(Scope.Thread)
    public static class Vcpu {
        private static final AtomicInteger NEXT = new AtomicInteger();

        final int ref = REF + 2 * (NEXT.getAndIncrement() % THREADS);
        final MapBatch maps = new MapBatch();
        final UnmapBatch unmaps = new UnmapBatch();
    }

    /// Two vCPUs that map different entries of one domain.
    @Benchmark
    @Threads(THREADS)
    public void mapAndUnmapOfTwoThreads(Vcpu vcpu) {
        mapAndUnmapOne(mapper.table, vcpu.ref, vcpu.maps, vcpu.unmaps);
    }
}
