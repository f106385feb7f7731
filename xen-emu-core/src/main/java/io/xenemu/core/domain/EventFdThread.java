package io.xenemu.core.domain;

import io.xenemu.kvm.memory.EventFd;
import java.util.function.Consumer;

/// A thread that runs a task each time an eventfd is signalled.
final class EventFdThread implements AutoCloseable {
    private final EventFd eventFd = EventFd.createBlocking();
    private final Thread thread;
    private volatile boolean closed;

    /// @param failed told what `task` has thrown, whereupon the thread goes on
    EventFdThread(String name, Runnable task, Consumer<Throwable> failed) {
        thread = Thread.ofPlatform().name(name).daemon().start(() -> run(task, failed));
    }

    private void run(Runnable task, Consumer<Throwable> failed) {
        try (eventFd) {
            eventFd.drain();
            while (!closed) {
                try {
                    task.run();
                } catch (RuntimeException | Error e) {
                    failed.accept(e);
                }
                eventFd.drain();
            }
        }
    }

    EventFd eventFd() {
        return eventFd;
    }

    /// Ends the thread, without waiting: the caller may hold a lock that the task takes.
    @Override
    public void close() {
        closed = true;
        eventFd.signal();
    }

    @Override
    public String toString() {
        return thread.getName();
    }
}
