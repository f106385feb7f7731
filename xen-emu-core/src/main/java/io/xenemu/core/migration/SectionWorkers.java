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

    private final int count;
    private final ExecutorService threads;

    private SectionWorkers(int wanted) {
        count = Math.clamp(wanted, 1, MOST_THREADS);
        threads =
                Executors.newFixedThreadPool(
                        count, Thread.ofPlatform().name("saved-pages-", 0).daemon().factory());
    }

    /// For a stream that is written: one processor is for its thread.
    static SectionWorkers ofWriter() {
        return new SectionWorkers(Runtime.getRuntime().availableProcessors() - 1);
    }

    /// For a stream that is read: its thread mostly waits for bytes.
    static SectionWorkers ofReader() {
        return new SectionWorkers(Runtime.getRuntime().availableProcessors());
    }

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
