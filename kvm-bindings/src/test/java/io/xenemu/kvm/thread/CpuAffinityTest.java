package io.xenemu.kvm.thread;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import java.util.BitSet;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class CpuAffinityTest {
    @Test
    void threadRunsOnTheCpusThatItIsGiven() throws Exception {
        BitSet all = CpuAffinity.current();
        assertFalse(all.isEmpty());
        BitSet last = new BitSet();
        last.set(all.length() - 1);
        FutureTask<BitSet> pinned =
                new FutureTask<>(() -> {
                    CpuAffinity.set(last);
                    return CpuAffinity.current();
                });
        Thread.ofPlatform().start(pinned);
        assertEquals(last, pinned.get());
        assertEquals(all, CpuAffinity.current());
    }

    @Test
    void cpusThatTheHostLacksAreRefused() {
        BitSet none = new BitSet();
        none.set(CpuAffinity.MAX_CPUS - 1);
        assertEquals(
                Errno.EINVAL,
                assertThrows(KvmException.class, () -> CpuAffinity.set(none)).errno());
        none.set(CpuAffinity.MAX_CPUS);
        assertThrows(IllegalArgumentException.class, () -> CpuAffinity.set(none));
    }
}
