package io.xenemu.core.backend.block;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import io.xenemu.core.toolstack.DeviceKind;
import io.xenemu.core.toolstack.DiskAio;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.file.IoUring;
import io.xenemu.kvm.file.IoVectors;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// The heap that requests by io_uring need.
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class UringAllocationTest {
    private static final int PAGE = 4096;
    private static final int REQUESTS = 20_000;

    /// The JDK's own check of the place for errno, 40 bytes for each of the two calls until the optimizing compiler
    /// removes it, and what a lock that is taken needs now and then.
    private static final long FEW_BYTES = 160;

    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    @TempDir Path directory;

    @Test
    void requestsAllocateNothing() throws Exception {
        try {
            new IoUring(1).close();
        } catch (KvmException e) {
            Assumptions.abort("no io_uring here: " + e.getMessage());
        }
        Path image = Files.write(directory.resolve("image"), new byte[1 << 20]);
        try (DiskStore store = DiskOpener.raw(image, true, false, DiskAio.IO_URING);
                Arena arena = Arena.ofShared()) {
            store.belongsTo(new PvDevice(DeviceKind.VBD, DomId.of(3), DomId.DOM0, 1));
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
                before[1] = taker();
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
            long taking = taker() - before[1];
            assertEquals(0, failures.get());
            assertTrue(
                    submitting + taking < FEW_BYTES * REQUESTS,
                    "bytes per 1000 requests: %d and %d"
                            .formatted(submitting * 1000 / REQUESTS, taking * 1000 / REQUESTS));
        }
    }

    private static long taker() {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().equals("dom3-vbd-1-uring"))
                .mapToLong(thread -> THREADS.getThreadAllocatedBytes(thread.threadId()))
                .sum();
    }
}
