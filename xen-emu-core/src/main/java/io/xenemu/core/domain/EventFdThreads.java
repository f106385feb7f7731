package io.xenemu.core.domain;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.BiConsumer;

/// The threads that serve one domain's eventfds: they may use its VM and its memory, and so end before those do.
final class EventFdThreads {
    /// Much longer than a task may take, none of which waits for anything.
    private static final long END_LIMIT_MILLIS = 10_000;

    private final Set<EventFdThread> running = ConcurrentHashMap.newKeySet();
    private final LongAdder pauses = new LongAdder();
    private final BiConsumer<Object, Throwable> failed;

    /// @param failed told a thread's name and what its task has thrown
    EventFdThreads(BiConsumer<Object, Throwable> failed) {
        this.failed = failed;
    }

    /// Starts a thread whose eventfd the guest cannot signal at will.
    EventFdThread start(String name, Runnable task) {
        return started(
                new EventFdThread(
                        name, task, null, () -> {}, e -> failed.accept(name, e), running::remove));
    }

    /// Starts a thread whose eventfd the guest signals: not more often than [EventRate] allows does it run.
    EventFdThread startLimited(String name, Runnable task) {
        return started(
                new EventFdThread(
                        name,
                        task,
                        new EventRate(System.nanoTime()),
                        pauses::increment,
                        e -> failed.accept(name, e),
                        running::remove));
    }

    private EventFdThread started(EventFdThread thread) {
        running.add(thread);
        boolean started = false;
        try {
            thread.start();
            started = true;
            return thread;
        } finally {
            if (!started) {
                running.remove(thread);
                thread.eventFd().close();
            }
        }
    }

    /// How often [EventRate] has made one wait.
    LongAdder pauses() {
        return pauses;
    }

    /// Whether any has not ended.
    boolean isRunning() {
        return !running.isEmpty();
    }

    /// Ends them all, and waits until they have. Not to be called with a lock held, or by one of them.
    ///
    /// @throws IllegalStateException if one does not end
    void close() {
        running.forEach(EventFdThread::close);
        for (EventFdThread thread : running) {
            if (!thread.awaitEnd(END_LIMIT_MILLIS)) {
                throw new IllegalStateException(thread + " does not end");
            }
        }
    }
}
