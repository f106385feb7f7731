package io.xenemu.xenstore;

import java.util.concurrent.locks.ReentrantLock;

/// The lock of a store. A thread that finds it free takes it, even if others wait: waking up the next thread costs more
/// than most requests. But waiting threads are overtaken at most [#OVERTAKES] times; then they come first, in order. So
/// a guest that floods its ring on its own vCPU stops neither other guests nor host tools.
final class StoreLock {
    /// How often in a row the lock may be taken while others wait. Few enough for waiting threads not to notice: a
    /// client holds the lock for one ring full of requests, or for about as many requests of a socket.
    static final int OVERTAKES = 16;

    private final ReentrantLock lock = new ReentrantLock(true);
    // Written by the holder of the lock.
    private volatile int overtakes;

    void lock() {
        int before = overtakes;
        if (before >= OVERTAKES || !lock.tryLock()) {
            lock.lock(); // a fair one, unlike tryLock
            overtakes = 0;
        } else if (lock.hasQueuedThreads()) {
            overtakes = before + 1;
        } else if (before != 0) {
            overtakes = 0;
        }
    }

    void unlock() {
        lock.unlock();
    }

    boolean isWaitedFor() {
        return lock.hasQueuedThreads();
    }
}
