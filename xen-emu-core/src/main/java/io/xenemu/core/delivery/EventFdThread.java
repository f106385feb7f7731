package io.xenemu.core.delivery;

import com.google.common.util.concurrent.Uninterruptibles;
import io.xenemu.kvm.memory.EventFd;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// A thread that runs a task each time an eventfd is signalled. Made by [EventFdThreads].
public final class EventFdThread implements AutoCloseable {
    private final EventFd eventFd = EventFd.createBlocking();
    private final Thread thread;
    private volatile boolean closed;

    /// @param rate limits the runs of `task`; null for no limit
    /// @param paused called when the limit delays a run
    /// @param failed receives an exception of `task`, and then the thread goes on; or the reason why the thread cannot
    ///     wait any more
    /// @param ended called when the thread is about to end
    EventFdThread(
            String name,
            Runnable task,
            @Nullable EventRate rate,
            Runnable paused,
            Consumer<Throwable> failed,
            Consumer<EventFdThread> ended) {
        Runnable guarded =
                () -> {
                    try {
                        task.run();
                    } catch (RuntimeException | Error e) {
                        failed.accept(e);
                    }
                };
        thread =
                Thread.ofPlatform()
                        .name(name)
                        .daemon()
                        .unstarted(() -> run(guarded, rate, paused, failed, ended));
    }

    void start() {
        thread.start();
    }

    private void run(
            Runnable task,
            @Nullable EventRate rate,
            Runnable paused,
            Consumer<Throwable> failed,
            Consumer<EventFdThread> ended) {
        try {
            eventFd.drain();
            while (!closed) {
                task.run();
                long pause = rate == null ? 0 : rate.ran(System.nanoTime());
                if (pause > 0) {
                    paused.run();
                    sleep(pause);
                }
                eventFd.drain();
            }
        } catch (RuntimeException | Error e) {
            failed.accept(e);
        } finally {
            end();
            ended.accept(this);
        }
    }

    private void sleep(long nanos) {
        long end = System.nanoTime() + nanos;
        for (long left = nanos; left > 0 && !closed; left = end - System.nanoTime()) {
            LockSupport.parkNanos(this, left);
        }
    }

    /// Closes the eventfd after a [#close] in progress; a later one wakes no thread any more.
    private synchronized void end() {
        closed = true;
        eventFd.close();
    }

    public EventFd eventFd() {
        return eventFd;
    }

    /// Ends the thread. Does not wait for that: the caller may hold a lock that the task takes. Closing twice is
    /// allowed.
    @Override
    public synchronized void close() {
        if (!closed) {
            closed = true;
            eventFd.signal();
            LockSupport.unpark(thread);
        }
    }

    /// Waits until the thread has ended after [#close].
    ///
    /// @param limit ms
    /// @return false if it has not
    boolean awaitEnd(long limit) {
        Uninterruptibles.joinUninterruptibly(thread, limit, TimeUnit.MILLISECONDS);
        return !thread.isAlive();
    }

    @Override
    public String toString() {
        return thread.getName();
    }
}
