package io.xenemu.core.bench;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.core.hypercall.HypercallContext;
import io.xenemu.core.hypercall.HypercallDispatcher;
import io.xenemu.gnttab.GrantLimits;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.ioctl.KvmSystem;
import io.xenemu.kvm.ioctl.KvmVm;
import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.kvm.memory.MemFd;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.TimeUnit;
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
import org.openjdk.jmh.annotations.Warmup;

/// The cost for this process of mapping a granted page and unmapping it again, by hypercalls of one page or of 32. Also
/// measures two calls of mmap(2), which a page alone needs. The exits are not included. Needs /dev/kvm, without Xen;
/// run as [DispatcherBenchmark].
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
public class GrantMapBenchmark {
    private static final int MEMORY_OP = 12;
    private static final int ADD_TO_PHYSMAP = 7;
    private static final int GRANT_TABLE_OP = 20;
    private static final int MAP = 0;
    private static final int UNMAP = 1;
    private static final int BATCH = 32;
    private static final int SELF = 0x7ff0;
    private static final int PAGE = 4096;
    private static final int REF = 9;
    private static final int REFS = 512;
    private static final int MAP_SIZE = 32;
    private static final int UNMAP_SIZE = 24;
    private static final int HOST_MAP = 2;
    private static final long TABLE = 0x12_3000;
    private static final long MAPS = TestDomain.ARGUMENT;
    private static final long UNMAPS = TestDomain.ARGUMENT + 0x1000;
    private static final long GRANTED = 0x20_0000;

    /// The address of the mapping, in a hole, as Linux does it.
    private static final long WINDOW = 0xc000_0000L;

    private final TestDomain domain = open();
    private final GuestMemory memory = domain.memory();
    private final HypercallDispatcher dispatcher = domain.dispatcher();
    private final HypercallContext call = domain.caller(0, true);
    private final KvmSystem kvm = KvmSystem.open(KvmSystem.DEVICE);
    private final KvmVm vm = kvm.createVm();
    private final MemFd ram = MemFd.create("benchmark", (long) BATCH * PAGE);
    private final MemFd page = MemFd.create("page", PAGE);
    private final MemorySegment inTheMiddle = slot().asSlice((long) PAGE * BATCH / 2, PAGE);

    /// The number of pages that are mapped all the time.
    @Param({"0", "8000"})
    public int others;

    /// The number of pages from one granted page to the next: neighbours are mapped together.
    @Param({"1", "3"})
    public int step;

    private MemorySegment slot() {
        MemorySegment view = ram.map(0, (long) BATCH * PAGE);
        vm.setMemoryRegion(0, 0, 0, view);
        return view;
    }

    private static TestDomain open() {
        try {
            return new TestDomain(1, new GrantLimits(4, 64, 2));
        } catch (BootException | XenError e) {
            throw new IllegalStateException(e);
        }
    }

    @Setup(Level.Trial)
    public void prepare() throws XenError {
        memory.write16(MAPS, SELF);
        memory.write32(MAPS + 4, 1);
        memory.write64(MAPS + 8, 0);
        memory.write64(MAPS + 16, TABLE / PAGE);
        require(hypercall(MEMORY_OP, ADD_TO_PHYSMAP, MAPS, 0));
        for (int ref = REF; ref < REFS; ref++) {
            memory.write32(TABLE + 8L * ref + 4, (int) (GRANTED / PAGE) + ref % BATCH * step);
            memory.write32(TABLE + 8L * ref, TestDomain.ID.value() << 16 | 1);
        }
        int ref = REF + BATCH;
        for (int mapped = 0; mapped < others; mapped += BATCH) {
            // Each reference can be mapped 128 times at most.
            ref = ref + BATCH > REFS ? REF + BATCH : ref;
            prepareMaps(WINDOW + (BATCH + mapped) * (long) PAGE, ref);
            require(hypercall(GRANT_TABLE_OP, MAP, MAPS, BATCH));
            ref += BATCH;
        }
        prepareMaps(WINDOW, REF);
    }

    private void prepareMaps(long address, int firstRef) throws XenError {
        for (int i = 0; i < BATCH; i++) {
            long map = MAPS + (long) i * MAP_SIZE;
            memory.write64(map, address + (long) i * PAGE);
            memory.write32(map + 8, HOST_MAP);
            memory.write32(map + 12, firstRef + i);
            memory.write16(map + 16, TestDomain.ID.value());
            long unmap = UNMAPS + (long) i * UNMAP_SIZE;
            memory.write64(unmap, address + (long) i * PAGE);
            memory.write64(unmap + 8, 0);
        }
    }

    @TearDown(Level.Trial)
    public void close() {
        domain.close();
        vm.close();
        kvm.close();
        ram.close();
        page.close();
    }

    private long hypercall(int number, long command, long argument, long count) {
        call.begin(number, 0);
        call.setParameter(0, command);
        call.setParameter(1, argument);
        call.setParameter(2, count);
        return dispatcher.dispatch(call);
    }

    private static void require(long result) {
        if (result != 0) {
            throw new IllegalStateException("hypercall failed: " + result);
        }
    }

    private long mapAndUnmap(int count) throws XenError {
        require(hypercall(GRANT_TABLE_OP, MAP, MAPS, count));
        for (int i = 0; i < count; i++) {
            long map = MAPS + (long) i * MAP_SIZE;
            require(memory.read16(map + 18));
            memory.write32(UNMAPS + (long) i * UNMAP_SIZE + 16, memory.read32(map + 20));
        }
        require(hypercall(GRANT_TABLE_OP, UNMAP, UNMAPS, count));
        return memory.read16(UNMAPS + 20);
    }

    @Benchmark
    public long one() throws XenError {
        return mapAndUnmap(1);
    }

    @Benchmark
    @OperationsPerInvocation(BATCH)
    public long eachOf32() throws XenError {
        return mapAndUnmap(BATCH);
    }

    @Benchmark
    public void systemCalls() {
        page.mapFixed(0, inTheMiddle, false);
        ram.mapFixed((long) PAGE * BATCH / 2, inTheMiddle, false);
    }
}
