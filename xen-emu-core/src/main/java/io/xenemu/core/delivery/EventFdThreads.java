package io.xenemu.core.delivery;

import java.time.Duration;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.BiConsumer;

/// The threads that serve one domain's eventfds. They may use its VM and its memory, so they end first.
public final class EventFdThreads {
    /// Time limit for a task in progress: much longer than any takes, since no task waits.
    private static final long END_LIMIT_MILLIS = 10_000;

    private final Set<EventFdThread> running = ConcurrentHashMap.newKeySet();
    private final LongAdder pauses = new LongAdder();
    private final WorkGate gate = new WorkGate();
    private final BiConsumer<Object, Throwable> failed;

    /// @param failed receives a thread's name and an exception of its task
    public EventFdThreads(BiConsumer<Object, Throwable> failed) {
        this.failed = failed;
    }

    /// Starts a thread whose eventfd the guest cannot signal at will.
    public EventFdThread start(String name, Runnable task) {
        return started(
                new EventFdThread(
                        name,
                        () -> work(task),
                        null,
                        () -> {},
                        e -> failed.accept(name, e),
                        running::remove));
    }

    /// Starts a thread whose eventfd the guest signals. [EventRate] limits its runs.
    public EventFdThread startLimited(String name, Runnable task) {
        return started(
                new EventFdThread(
                        name,
                        () -> work(task),
                        new EventRate(System.nanoTime()),
                        pauses::increment,
                        e -> failed.accept(name, e),
                        running::remove));
    }

    private void work(Runnable task) {
        gate.enter();
        try {
            task.run();
        } finally {
            gate.leave();
        }
    }

    /// Keeps all threads from their tasks, and waits until no task is in progress. Signals are not lost: their tasks
    /// run after [#release].
    ///
    /// @return false if a task does not end within `limit`; then the threads go on
    public boolean hold(Duration limit) throws InterruptedException {
        return gate.shut(limit);
    }

    /// Lets the threads work again.
    public void release() {
        gate.open();
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

    /// The number of pauses that [EventRate] caused.
    public LongAdder pauses() {
        return pauses;
    }

    /// Whether any thread has not ended.
    boolean isRunning() {
        return !running.isEmpty();
    }

    /// Ends all threads, and waits until they have ended. The caller holds no lock and is none of them.
    ///
    /// @throws IllegalStateException if one does not end
    public void close() {
        gate.end();
        running.forEach(EventFdThread::close);
        for (EventFdThread thread : running) {
            if (!thread.awaitEnd(END_LIMIT_MILLIS)) {
                throw new IllegalStateException(thread + " does not end");
            }
        }
    }
}
