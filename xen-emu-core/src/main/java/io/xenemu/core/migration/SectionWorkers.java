package io.xenemu.core.migration;

import com.google.common.base.Throwables;
import com.google.common.util.concurrent.Uninterruptibles;
import java.io.IOException;
import java.util.Objects;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/// Threads that pack or unpack the pages of several sections at a time, while one thread writes or reads the stream.
/// They begin with their first work.
final class SectionWorkers implements AutoCloseable {
    /// The most threads: more would wait for the disk.
    private static final int MOST_THREADS = 4;

    /// One processor is for the thread that writes or reads.
    private final int count =
            Math.clamp(Runtime.getRuntime().availableProcessors() - 1, 1, MOST_THREADS);

    private final ExecutorService threads =
            Executors.newFixedThreadPool(
                    count, Thread.ofPlatform().name("saved-pages-", 0).daemon().factory());

    /// The number of threads.
    int count() {
        return count;
    }

    /// The work for a section.
    @FunctionalInterface
    interface Work {
        void run() throws IOException;
    }

    /// Begins work on another thread.
    Future<?> begin(Work work) {
        return threads.submit(() -> {
            work.run();
            return null;
        });
    }

    /// Waits until work has ended. What another thread did to the section is seen afterwards.
    ///
    /// @throws IOException that the work threw
    static void await(Future<?> begun) throws IOException {
        try {
            Uninterruptibles.getUninterruptibly(begun);
        } catch (ExecutionException e) {
            Throwable cause = Objects.requireNonNull(e.getCause());
            Throwables.throwIfInstanceOf(cause, IOException.class);
            Throwables.throwIfUnchecked(cause);
            throw new IllegalStateException(cause);
        }
    }

    /// Waits for all work, so that its memory may be freed.
    @Override
    public void close() {
        threads.close();
    }
}
