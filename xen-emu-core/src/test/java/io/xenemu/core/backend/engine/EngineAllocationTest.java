package io.xenemu.core.backend.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import com.sun.management.ThreadMXBean;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.testing.LeastAllocation;
import java.lang.management.ManagementFactory;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(120)
final class EngineAllocationTest {
    private static final int SIGNALS = 500;

    private final AtomicLong runs = new AtomicLong();
    private volatile long engineThread;

    private boolean work() {
        engineThread = Thread.currentThread().threadId();
        runs.incrementAndGet();
        return true;
    }

    @Test
    void signalsAndRunsAllocateNothing() throws Exception {
        assumeFalse(
                ManagementFactory.getRuntimeMXBean()
                        .getInputArguments()
                        .contains("-XX:TieredStopAtLevel=1"),
                "a JVM that optimises");
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        try (Engines engines =
                        new Engines(
                                List.of(EngineSpec.parse("block:0")), new SimpleMeterRegistry());
                DomainEngines guest = engines.open(new DomId(1), EngineMap.DEFAULT);
                EngineQueue queue =
                        guest.add(EngineClass.BLOCK, "vbd-51712", 0, this::work, _ -> {})) {
            queue.release();
            signal(queue);
            long least =
                    LeastAllocation.among(() -> {
                        long before = allocated(threads);
                        for (int i = 0; i < SIGNALS; i++) {
                            signal(queue);
                        }
                        return allocated(threads) - before;
                    });
            assertEquals(0, least, "bytes for " + SIGNALS + " signals");
        }
    }

    private long allocated(ThreadMXBean threads) {
        return threads.getThreadAllocatedBytes(engineThread)
                + threads.getThreadAllocatedBytes(Thread.currentThread().threadId());
    }

    private void signal(EngineQueue queue) {
        long before = runs.get();
        queue.signal();
        while (runs.get() == before) {
            Thread.onSpinWait();
        }
    }
}
