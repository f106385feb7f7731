package io.xenemu.core.backend.block;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import io.xenemu.kvm.file.IoVectors;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.util.concurrent.atomic.AtomicInteger;

/// The heap that requests to a store need which another thread completes.
public final class StoreAllocation {
    private static final int PAGE = 4096;
    private static final int REQUESTS = 20_000;

    /// The JDK's own check of the place for errno, 40 bytes for each of the two calls until the optimizing compiler
    /// removes it, and what a lock that is taken needs now and then.
    private static final long FEW_BYTES = 160;

    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    private StoreAllocation() {}

    /// Checks that reads and writes, one after the other, allocate nothing of their own: neither on the thread that
    /// submits nor on the one that completes.
    ///
    /// @param store has at least a page
    /// @param completer the name of the thread that completes
    public static void assertNone(DiskStore store, String completer) {
        try (Arena arena = Arena.ofShared()) {
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
                before[1] = allocated(completer);
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
            long completing = allocated(completer) - before[1];
            assertEquals(0, failures.get());
            assertTrue(
                    submitting + completing < FEW_BYTES * REQUESTS,
                    "bytes per 1000 requests: %d and %d"
                            .formatted(submitting * 1000 / REQUESTS, completing * 1000 / REQUESTS));
        }
    }

    private static long allocated(String name) {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().equals(name))
                .mapToLong(thread -> THREADS.getThreadAllocatedBytes(thread.threadId()))
                .sum();
    }
}
