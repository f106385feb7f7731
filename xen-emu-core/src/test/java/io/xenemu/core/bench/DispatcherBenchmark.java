package io.xenemu.core.bench;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.core.hypercall.HypercallContext;
import io.xenemu.core.hypercall.HypercallDispatcher;
import io.xenemu.core.jfr.FlightRecorderTap;
import io.xenemu.core.trace.TracePoints;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.GuestMemory;
import java.util.concurrent.TimeUnit;
import jdk.jfr.Recording;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/// The cost of a hypercall in this process, from the vCPU loop's registers to its result: dispatcher, argument copies
/// through 4-level page tables, module. The exit and the entry are not included.
///
/// ```
/// ./mvnw -q -pl xen-emu-core -am test-compile dependency:build-classpath -Dmdep.outputFile=target/test.classpath
/// cd xen-emu-core
/// java --enable-native-access=ALL-UNNAMED -cp "target/test-classes:target/classes:$(cat target/test.classpath)" \
///     org.openjdk.jmh.Main DispatcherBenchmark -prof gc
/// ```
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
public class DispatcherBenchmark {
    private static final int XEN_VERSION = 17;
    private static final int GRANT_TABLE_OP = 20;
    private static final int EVENT_CHANNEL_OP = 32;
    private static final int CLOSE = 3;
    private static final int SEND = 4;
    private static final int ALLOC_UNBOUND = 6;
    private static final int SELF = 0x7ff0;

    /// Each operation has its argument in a page of its own, as on a kernel's stack or in its data.
    private static final long PORT_ARGUMENT = TestDomain.ARGUMENT + 0x1000;

    private static final long ALLOC_ARGUMENT = TestDomain.ARGUMENT + 0x2000;
    private static final long SIZE_ARGUMENT = TestDomain.ARGUMENT + 0x3000;
    private static final long FEATURES_ARGUMENT = TestDomain.ARGUMENT + 0x4000;

    /// What Java Flight Recorder does: not there, listened to as a service does, recording hypercalls.
    @Param({"absent", "idle", "recording"})
    private String recorder = "";

    private final TracePoints points = new TracePoints();
    private final Recording recording = new Recording();
    private @Nullable FlightRecorderTap tap;
    private final TestDomain domain = open();
    private final GuestMemory memory = domain.memory();
    private final HypercallDispatcher dispatcher = domain.dispatcher();
    private final HypercallContext call = domain.caller(0, true);

    private static TestDomain open() {
        try {
            return new TestDomain(1);
        } catch (BootException | XenError e) {
            throw new IllegalStateException(e);
        }
    }

    private void record() {
        if (recorder.equals("absent")) {
            return;
        }
        points.add(domain.domain());
        points.add(domain.domain().id(), dispatcher);
        tap = new FlightRecorderTap(points);
        if (recorder.equals("recording")) {
            recording.enable("io.xenemu.Hypercall");
            recording.start();
        }
    }

    @Setup(Level.Trial)
    public void prepare() throws XenError {
        record();
        memory.write16(ALLOC_ARGUMENT, SELF);
        memory.write16(ALLOC_ARGUMENT + 2, 0);
        memory.write16(SIZE_ARGUMENT, SELF);
        // A port that stays, for sends.
        require(hypercall(EVENT_CHANNEL_OP, ALLOC_UNBOUND, ALLOC_ARGUMENT, 0));
        memory.write32(PORT_ARGUMENT, memory.read32(ALLOC_ARGUMENT + 4));
    }

    @TearDown(Level.Trial)
    public void close() {
        recording.close();
        if (tap != null) {
            tap.close();
        }
        domain.close();
    }

    private static void require(long result) {
        if (result != 0) {
            throw new IllegalStateException("hypercall failed: " + result);
        }
    }

    private long hypercall(long number, long first, long second, long third) {
        call.begin(number, 0);
        call.setParameter(0, first);
        call.setParameter(1, second);
        call.setParameter(2, third);
        call.setParameter(3, 0);
        call.setParameter(4, 0);
        call.setParameter(5, 0);
        return dispatcher.dispatch(call);
    }

    @Benchmark
    public long unknown() {
        return hypercall(63, 0, 0, 0);
    }

    @Benchmark
    public long versionPagesize() {
        return hypercall(XEN_VERSION, 7, 0, 0);
    }

    @Benchmark
    public long versionGetFeatures() {
        return hypercall(XEN_VERSION, 6, FEATURES_ARGUMENT, 0);
    }

    @Benchmark
    public long grantQuerySize() {
        return hypercall(GRANT_TABLE_OP, 6, SIZE_ARGUMENT, 1);
    }

    @Benchmark
    public long evtchnSendOnUnbound() {
        return hypercall(EVENT_CHANNEL_OP, SEND, PORT_ARGUMENT, 0);
    }

    @Benchmark
    public long evtchnAllocUnboundAndClose() throws XenError {
        require(hypercall(EVENT_CHANNEL_OP, ALLOC_UNBOUND, ALLOC_ARGUMENT, 0));
        // The port is where a guest reads it, and goes where a guest would put it.
        memory.write32(ALLOC_ARGUMENT + 0x800, memory.read32(ALLOC_ARGUMENT + 4));
        return hypercall(EVENT_CHANNEL_OP, CLOSE, ALLOC_ARGUMENT + 0x800, 0);
    }
}
