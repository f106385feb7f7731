package io.xenemu.core.backend.console;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.device.ConsoleRing;
import io.xenemu.core.device.ConsoleState;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;

/// The work of a connected console: moves bytes between the guest's ring and the host's end.
final class ConsoleQueue {
    private final ReentrantLock lock = new ReentrantLock();
    private final ConsoleHost host;
    private final Runnable notifyGuest;

    @GuardedBy("lock")
    private final ConsoleRing ring;

    @GuardedBy("lock")
    private boolean held;

    /// Attaches to a guest's ring.
    ///
    /// @param page the guest's
    /// @param host the console's end on the host, for this queue alone
    /// @param notifyGuest sends an event to the guest
    ConsoleQueue(MemorySegment page, ConsoleHost host, Runnable notifyGuest) {
        this.host = host;
        this.notifyGuest = notifyGuest;
        ring = new ConsoleRing(page, host.output(), host.input(), notifyGuest);
    }

    /// Goes on with the ring of a restored guest. The other parameters are as above.
    ConsoleQueue(
            MemorySegment page, ConsoleHost host, Runnable notifyGuest, ConsoleState.Ring state) {
        this.host = host;
        this.notifyGuest = notifyGuest;
        ring = new ConsoleRing(page, host.output(), host.input(), notifyGuest, state);
    }

    /// The state of its ring. It is held.
    ConsoleState.Ring save() {
        lock.lock();
        try {
            return ring.save();
        } finally {
            lock.unlock();
        }
    }

    /// Moves a bounded number of bytes: at most a ring full in each direction, and what was kept.
    ///
    /// @return whether there was anything to do
    boolean run() {
        boolean hadEvent;
        boolean moved;
        lock.lock();
        try {
            if (held) {
                return false;
            }
            hadEvent = host.look();
            moved = ring.move();
        } finally {
            lock.unlock();
        }
        if (moved) {
            notifyGuest.run();
        }
        return hadEvent || moved;
    }

    /// Whether the guest broke the ring's rules, so that no bytes are moved any more.
    boolean isBroken() {
        lock.lock();
        try {
            return ring.isBroken();
        } finally {
            lock.unlock();
        }
    }

    /// Moves once more what the guest has written so far, and then nothing: its last words are not lost, nor is what
    /// was typed for it.
    ///
    /// @return false if bytes were still being moved after `limit`
    boolean hold(Duration limit) throws InterruptedException {
        if (!lock.tryLock(limit.toNanos(), TimeUnit.NANOSECONDS)) {
            return false;
        }
        boolean moved;
        try {
            // The host may have a reader that no run has seen.
            boolean _ = !held && host.look();
            moved = !held && ring.move();
            if (!held) {
                host.gather();
            }
            held = true;
        } finally {
            lock.unlock();
        }
        if (moved) {
            notifyGuest.run();
        }
        return true;
    }

    /// Ends [#hold]. The next run moves what has waited.
    void release() {
        lock.lock();
        try {
            held = false;
        } finally {
            lock.unlock();
        }
    }

    /// Leaves the guest's page alone from now on.
    void close() {
        lock.lock();
        try {
            held = true;
            ring.close();
        } finally {
            lock.unlock();
        }
    }
}
