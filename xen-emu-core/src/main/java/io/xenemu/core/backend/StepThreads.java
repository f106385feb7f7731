package io.xenemu.core.backend;

import java.util.concurrent.Executor;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/// The threads on which devices take their steps. A step may wait in the kernel for long, such as in the close of a
/// file on a server that is away. On a virtual thread it would hold one of the few carriers of all virtual threads.
///
/// So a step has a platform thread while fewer than [#MOST] are at work, and else a virtual one, which the service has
/// no bound for.
final class StepThreads implements Executor, AutoCloseable {
    /// Half of the threads that `HostLimits` reserves for the service.
    static final int MOST = 64;

    /// Steps of a device that connects follow one another; idle threads are a burden.
    private static final long IDLE_SECONDS = 1;

    private final ThreadPoolExecutor platform =
            new ThreadPoolExecutor(
                    0,
                    MOST,
                    IDLE_SECONDS,
                    TimeUnit.SECONDS,
                    new SynchronousQueue<>(),
                    Thread.ofPlatform().name("backend-", 0).daemon().factory(),
                    (step, _) -> onVirtual(step));

    private static void onVirtual(Runnable step) {
        Thread _ = Thread.ofVirtual().name("backend").start(step);
    }

    @Override
    public void execute(Runnable step) {
        try {
            platform.execute(step);
        } catch (OutOfMemoryError e) {
            // The host has no thread left; the step has not begun.
            onVirtual(step);
        }
    }

    /// Steps that have begun go on.
    @Override
    public void close() {
        platform.shutdown();
    }
}
