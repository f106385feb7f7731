package io.xenemu.core.backend.console;

import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.thread.Epoll;
import io.xenemu.kvm.thread.TimerFd;

/// The events of one console's end on the host, as one descriptor for the thread of its queue: readers come and go,
/// while the queue has one descriptor to watch.
final class HostEvents implements AutoCloseable {
    /// Events that one look takes; those left make the descriptor readable again.
    private static final int MOST = 4;

    private static final long KEY = 0;

    private final Epoll epoll = new Epoll(MOST);
    private final TimerFd timer;

    /// @throws KvmException if the process has no descriptor left
    HostEvents() {
        boolean done = false;
        try {
            timer = new TimerFd();
            epoll.add(timer.fd(), KEY);
            done = true;
        } finally {
            if (!done) {
                epoll.close();
            }
        }
    }

    /// Becomes readable with each event.
    int descriptor() {
        return epoll.fd();
    }

    /// Adds a descriptor that is only read.
    void addReadable(int descriptor) {
        epoll.add(descriptor, KEY);
    }

    /// Adds a descriptor that is read and written.
    void add(int descriptor) {
        epoll.addBoth(descriptor, KEY);
    }

    /// Removes a descriptor, before it is closed.
    void remove(int descriptor) {
        epoll.remove(descriptor);
    }

    /// An event after a time.
    ///
    /// @param nanos more than 0; replaces an earlier time
    void wakeAfter(long nanos) {
        timer.set(nanos);
    }

    /// Takes the events.
    ///
    /// @return whether there were any
    boolean take() {
        return epoll.await(0) > 0;
    }

    @Override
    public void close() {
        timer.close();
        epoll.close();
    }
}
