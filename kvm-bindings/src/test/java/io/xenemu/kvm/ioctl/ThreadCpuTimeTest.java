package io.xenemu.kvm.ioctl;

import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// The CPU time of a thread.
@Timeout(60)
final class ThreadCpuTimeTest {
    private static final long MILLISECOND = 1_000_000;
    private static final long ASLEEP = 200;

    @Test
    void timeOnACpuCountsAndSleepDoesNot() throws InterruptedException {
        long start = System.nanoTime();
        long before = KvmVcpu.threadCpuTime();
        long now = before;
        while (now - before < MILLISECOND) {
            now = KvmVcpu.threadCpuTime();
        }
        Thread.sleep(ASLEEP);
        long used = KvmVcpu.threadCpuTime() - before;
        assertTrue(used >= MILLISECOND, "used " + used);
        assertTrue(System.nanoTime() - start - used >= ASLEEP * MILLISECOND / 2, "used " + used);
    }
}
