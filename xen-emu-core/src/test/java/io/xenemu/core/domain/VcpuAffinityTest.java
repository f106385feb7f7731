package io.xenemu.core.domain;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.kvm.thread.CpuAffinity;
import java.util.BitSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.Test;

/// The CPUs that the thread of a vCPU may run on.
final class VcpuAffinityTest {
    private static BitSet cpus(int... numbers) {
        BitSet cpus = new BitSet();
        for (int number : numbers) {
            cpus.set(number);
        }
        return cpus;
    }

    @Test
    void theThreadTakesWhatAnotherOneAskedForAndGetsItsOwnBack()
            throws ExecutionException, InterruptedException {
        BitSet all = CpuAffinity.current();
        BitSet one = cpus(all.nextSetBit(0));
        VcpuAffinity affinity = new VcpuAffinity();
        try (ExecutorService thread = Executors.newSingleThreadExecutor()) {
            affinity.want(one);
            assertEquals(one, taken(affinity, thread));
            affinity.want(new BitSet());
            assertEquals(all, taken(affinity, thread));
        }
        assertEquals(all, CpuAffinity.current());
    }

    private static BitSet taken(VcpuAffinity affinity, ExecutorService thread)
            throws ExecutionException, InterruptedException {
        return CompletableFuture.supplyAsync(
                        () -> {
                            affinity.take();
                            return CpuAffinity.current();
                        },
                        thread)
                .get();
    }

    @Test
    void cpusAreShownAsRanges() {
        VcpuAffinity affinity = new VcpuAffinity();
        assertEquals("all", affinity.toString());
        affinity.want(cpus(0, 1, 2, 5, 7, 8));
        assertEquals("0-2,5,7-8", affinity.toString());
        affinity.want(new BitSet());
        assertEquals("all", affinity.toString());
    }
}
