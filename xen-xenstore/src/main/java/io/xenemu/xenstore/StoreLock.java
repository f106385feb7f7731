package io.xenemu.xenstore;

import java.util.concurrent.locks.ReentrantLock;

/// The lock of a store. A thread that finds it free takes it, even if others wait, since handing it over to a thread that
/// has to wake up first costs more than most requests. But those who wait are overtaken [#OVERTAKES] times at most; then
/// they come first, in order. So a guest that floods its ring on its own vCPU stops neither other guests nor host tools.
final class StoreLock {
    /// How often in a row it is taken though others wait. Few enough to go unnoticed by who waits: a client holds it for one
    /// ring full of requests, or for [#BATCH].
    static final int OVERTAKES = 16;

    /// Requests that a client of a socket has handled in one hold at most: about what a ring can hold.
    static final int BATCH = 64;

    private final ReentrantLock lock = new ReentrantLock(true);
    // Written by who holds the lock.
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
