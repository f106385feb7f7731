package io.xenemu.core.domain;

import io.xenemu.kvm.memory.EventFd;

/// A thread that runs a task each time an eventfd is signalled.
final class EventFdThread implements AutoCloseable {
    private final EventFd eventFd = EventFd.createBlocking();
    private final Thread thread;
    private volatile boolean closed;

    EventFdThread(String name, Runnable task) {
        thread =
                Thread.ofPlatform()
                        .name(name)
                        .daemon()
                        .start(() -> {
                            while (true) {
                                eventFd.drain();
                                if (closed) {
                                    eventFd.close();
                                    return;
                                }
                                task.run();
                            }
                        });
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
