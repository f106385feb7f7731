package io.xenemu.kvm.testing;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.concurrent.Callable;

/// The bytes that code allocates when it is compiled. The compiler's threads may be late on a busy host, so the code is
/// repeated until a round has allocated nothing, or for a long time.
public final class LeastAllocation {
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    private static final Duration LIMIT = Duration.ofSeconds(60);

    /// A round of the code.
    @FunctionalInterface
    public interface Round {
        void run() throws Exception;
    }

    private LeastAllocation() {}

    /// The least that a round allocates on the thread that calls this.
    ///
    /// @return bytes
    public static long of(Round round) throws Exception {
        return among(() -> {
            long before = THREADS.getCurrentThreadAllocatedBytes();
            round.run();
            return THREADS.getCurrentThreadAllocatedBytes() - before;
        });
    }

    /// The least that a round tells.
    ///
    /// @param round returns the bytes that it has allocated
    /// @return bytes
    public static long among(Callable<Long> round) throws Exception {
        long start = System.nanoTime();
        long least = Long.MAX_VALUE;
        while (least > 0 && System.nanoTime() - start < LIMIT.toNanos()) {
            least = Math.min(least, round.call());
        }
        return least;
    }
}
