package io.xenemu.core.backend.nbd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.backend.block.DiskOp;
import io.xenemu.core.backend.block.DiskTransfer;
import io.xenemu.core.toolstack.DiskServing;
import io.xenemu.kvm.file.IoVectors;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// A request to a disk behind a server allocates nothing of its own, on the thread that submits and on that which
/// receives.
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class NbdAllocationTest {
    private static final int PAGE = 4096;
    private static final int REQUESTS = 20_000;

    /// The JDK's own check of the place for errno, 40 bytes for each of the two calls until the optimizing compiler
    /// removes it, and what a lock that is taken needs now and then.
    private static final long FEW_BYTES = 160;

    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    @Test
    void requestsAllocateNothing() throws Exception {
        try (FakeNbdServer server = new FakeNbdServer(1 << 20);
                Arena arena = Arena.ofShared();
                NbdStore store =
                        NbdStore.open(
                                server,
                                new NbdStore.DiskOptions(
                                        "dom3-vbd-1", true, true, DiskServing.ANY_SECTOR),
                                new SimpleMeterRegistry())) {
            server.records = false;
            MemorySegment page = arena.allocate(PAGE, PAGE);
            IoVectors vectors = new IoVectors(arena, 1);
            AtomicInteger answered = new AtomicInteger();
            AtomicInteger failures = new AtomicInteger();
            DiskTransfer transfer =
                    new DiskTransfer(
                            vectors,
                            (_, errno) -> {
                                failures.addAndGet(errno);
                                answered.incrementAndGet();
                            });
            long[] before = new long[2];
            for (int round = 0; round < 2; round++) {
                // The first round is for the compiler.
                before[0] = THREADS.getCurrentThreadAllocatedBytes();
                before[1] = receiver();
                for (int i = 0; i < REQUESTS; i++) {
                    vectors.clear();
                    vectors.add(page.address(), PAGE);
                    transfer.set(i % 2 == 0 ? DiskOp.READ : DiskOp.WRITE, 0, PAGE);
                    store.submit(transfer);
                    int awaited = round * REQUESTS + i + 1;
                    // Waiting for a lock would allocate.
                    while (answered.get() < awaited) {
                        Thread.onSpinWait();
                    }
                }
            }
            long submitting = THREADS.getCurrentThreadAllocatedBytes() - before[0];
            long receiving = receiver() - before[1];
            assertEquals(0, failures.get());
            assertTrue(
                    submitting + receiving < FEW_BYTES * REQUESTS,
                    "bytes per 1000 requests: %d and %d"
                            .formatted(submitting * 1000 / REQUESTS, receiving * 1000 / REQUESTS));
        }
    }

    private static long receiver() {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().equals("dom3-vbd-1-nbd-recv"))
                .mapToLong(thread -> THREADS.getThreadAllocatedBytes(thread.threadId()))
                .sum();
    }
}
