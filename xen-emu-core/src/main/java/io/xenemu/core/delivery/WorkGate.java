package io.xenemu.core.delivery;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/// Lets threads begin a piece of work, or keeps them all from it. Its monitor is a leaf, and not held during work.
public final class WorkGate {
    @GuardedBy("this")
    private boolean shut;

    @GuardedBy("this")
    private boolean ended;

    @GuardedBy("this")
    private int working;

    /// An open gate.
    public WorkGate() {}

    /// A gate that is shut.
    public static WorkGate newShut() {
        WorkGate gate = new WorkGate();
        synchronized (gate) {
            gate.shut = true;
        }
        return gate;
    }

    /// Begins work; waits while the gate is shut.
    public synchronized void enter() {
        boolean interrupted = false;
        while (shut && !ended) {
            try {
                wait();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        working++;
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /// Ends work.
    public synchronized void leave() {
        working--;
        notifyAll();
    }

    /// Shuts the gate, and waits until no thread is at work.
    ///
    /// @return false if a thread is still at work after `limit`; then the gate is open
    public synchronized boolean shut(Duration limit) throws InterruptedException {
        shut = true;
        long deadline = System.nanoTime() + limit.toNanos();
        boolean quiet = false;
        try {
            long left = limit.toNanos();
            while (working > 0 && left > 0) {
                TimeUnit.NANOSECONDS.timedWait(this, left);
                left = deadline - System.nanoTime();
            }
            quiet = working == 0;
        } finally {
            if (!quiet) {
                open();
            }
        }
        return quiet;
    }

    /// Opens the gate.
    public synchronized void open() {
        shut = false;
        notifyAll();
    }

    /// Opens it for good.
    public synchronized void end() {
        ended = true;
        notifyAll();
    }
}
