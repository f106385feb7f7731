package io.xenemu.evtchn.bench;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.evtchn.EventChannelMetrics;
import io.xenemu.evtchn.EventChannels;
import io.xenemu.evtchn.EventEnvironment;
import io.xenemu.evtchn.EvtchnOptions;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.evtchn.KernelPorts;
import io.xenemu.evtchn.PeerChannels;
import io.xenemu.evtchn.PortAccount;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.VcpuId;
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
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Threads;
import org.openjdk.jmh.annotations.Warmup;

/// The cost of the event channels without the way to them: sends, binding, unmasking, in either ABI.
///
/// ```
/// ./mvnw -q -pl xen-evtchn -am test-compile dependency:build-classpath -Dmdep.outputFile=target/test.classpath
/// cd xen-evtchn
/// java -cp "target/test-classes:target/classes:$(cat target/test.classpath)" \
///     org.openjdk.jmh.Main EventChannelsBenchmark -prof gc
/// ```
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class EventChannelsBenchmark {
    private static final DomId ID = new DomId(1);
    private static final long PENDING = 0x800;
    private static final long MASK = 0xa00;

    /// One vCPU and one port for each sending thread.
    private static final int SENDERS = 2;

    @Param({"false", "true"})
    boolean fifo;

    private final Arena arena = Arena.ofShared();
    private final MemorySegment shared = arena.allocate(4096, 4096);
    private final MemorySegment control = arena.allocate(4096, 4096);
    private final MemorySegment words = arena.allocate(4096, 4096);
    private final PeerChannels nobody = id -> null;
    private final EvtchnPort[] ipis = new EvtchnPort[SENDERS];
    private EventChannels channels = create();

    private EventChannels create() {
        return new EventChannels(
                ID,
                EvtchnOptions.of(SENDERS).withFifo(true),
                new EventEnvironment(
                        nobody,
                        KernelPorts.none(),
                        vcpu -> {},
                        gfn -> gfn == 0 ? control : words,
                        PortAccount.ofThisHeap(),
                        failure -> {
                            throw new IllegalStateException(failure);
                        }),
                new EventChannelMetrics(new SimpleMeterRegistry(), ID));
    }

    @Setup(Level.Trial)
    public void prepare() throws XenError {
        channels.setSharedInfo(shared, GuestWidth.BITS_64);
        for (int i = 0; fifo && i < SENDERS; i++) {
            channels.initControl(new VcpuId(i), 0, i * 72);
        }
        if (fifo) {
            channels.expandArray(1);
        }
        for (int i = 0; i < SENDERS; i++) {
            ipis[i] = channels.bindIpi(new VcpuId(i));
        }
    }

    @TearDown(Level.Trial)
    public void close() {
        channels.destroy();
        arena.close();
    }

    /// Takes an event as the guest does.
    private void take(int port) {
        if (fifo) {
            words.setAtIndex(ValueLayout.JAVA_INT, port, 0);
        } else {
            shared.set(ValueLayout.JAVA_BYTE, PENDING + port / 8, (byte) 0);
        }
    }

    private void mask(int port) {
        if (fifo) {
            words.setAtIndex(ValueLayout.JAVA_INT, port, 1 << 30);
        } else {
            shared.set(ValueLayout.JAVA_BYTE, MASK + port / 8, (byte) (1 << port % 8));
        }
    }

    /// A thread's own port.
    @State(Scope.Thread)
    public static class Sender {
        private static final AtomicInteger NEXT = new AtomicInteger();

        final int index = NEXT.getAndIncrement() % SENDERS;
    }

    /// A new event each time.
    @Benchmark
    public void send() throws XenError {
        take(ipis[0].value());
        channels.send(ipis[0]);
    }

    /// An event that is pending already.
    @Benchmark
    public void sendAgain() throws XenError {
        channels.send(ipis[0]);
    }

    @Benchmark
    public void unmask() throws XenError {
        mask(ipis[1].value());
        channels.unmask(ipis[1]);
    }

    @Benchmark
    public void bindIpiAndClose() throws XenError {
        channels.close(channels.bindIpi(channels.vcpuId(0)));
    }

    @Benchmark
    public void allocUnboundAndClose() throws XenError {
        channels.close(channels.allocUnbound(DomId.SELF, DomId.DOM0));
    }

    /// Two vCPUs that send on ports of their own.
    @Benchmark
    @Threads(SENDERS)
    public void sendOfTwoThreads(Sender sender) throws XenError {
        channels.send(ipis[sender.index]);
    }

    /// Two vCPUs that send on the same port.
    @Benchmark
    @Threads(SENDERS)
    public void sendOfTwoThreadsOnOnePort() throws XenError {
        channels.send(ipis[0]);
    }
}
