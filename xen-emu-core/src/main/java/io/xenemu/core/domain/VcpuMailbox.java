package io.xenemu.core.domain;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.util.ArrayDeque;
import java.util.Queue;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/// Work that one vCPU's thread does for others between two entries of the guest: KVM's vCPU ioctls block while the vCPU
/// is in KVM_RUN, so its own thread has to issue them.
///
/// A thread that waits for its request serves its own mailbox meanwhile, so two vCPUs may ask each other at once.
public final class VcpuMailbox {
    /// Bounds one park, so that a lost wake-up costs a delay and not a hang.
    private static final long PARK_NANOS = 10_000_000;

    private static final class Request {
        final Runnable task;
        final Thread requester = Thread.currentThread();
        volatile boolean done;
        volatile boolean dropped;
        volatile @Nullable RuntimeException failure;

        Request(Runnable task) {
            this.task = task;
        }

        void finish() {
            done = true;
            LockSupport.unpark(requester);
        }
    }

    @GuardedBy("this")
    private final Queue<Request> requests = new ArrayDeque<>();

    @GuardedBy("this")
    private boolean closed;

    private volatile boolean waiting;

    /// Asks the owner to run `task`, and waits until it has.
    ///
    /// @param wake makes the owner look at its mailbox (a kick, and an unpark)
    /// @param own the caller's own mailbox, if the caller is a vCPU thread too
    /// @return false if the owner has ended, so that the task did not and will not run
    public boolean call(Runnable task, Runnable wake, @Nullable VcpuMailbox own) {
        Request request = new Request(task);
        synchronized (this) {
            if (closed) {
                return false;
            }
            requests.add(request);
            waiting = true;
        }
        wake.run();
        await(request, own);
        RuntimeException failure = request.failure;
        if (failure != null) {
            throw failure;
        }
        return !request.dropped;
    }

    /// An interrupt is kept for later: the task may have begun, and its outcome has to be known.
    private void await(Request request, @Nullable VcpuMailbox own) {
        boolean interrupted = false;
        while (!request.done) {
            if (own != null) {
                own.serve();
            }
            LockSupport.parkNanos(this, PARK_NANOS);
            // Or else no later park would wait.
            interrupted |= Thread.interrupted();
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /// Runs what was asked for; called by the owner. Costs one volatile read when there is nothing.
    public void serve() {
        while (waiting) {
            Request request;
            synchronized (this) {
                request = requests.poll();
                waiting = !requests.isEmpty();
            }
            if (request == null) {
                return;
            }
            try {
                request.task.run();
            } catch (RuntimeException e) {
                request.failure = e;
            } catch (Error e) {
                // Ends the owner's thread; the requester must not wait for it for ever.
                request.failure = new IllegalStateException("the vCPU's thread has failed", e);
                throw e;
            } finally {
                request.finish();
            }
        }
    }

    /// Ends the mailbox: requests that were not served are dropped, later ones refused. Called by the owner at its end.
    public void close() {
        synchronized (this) {
            closed = true;
            for (Request request : requests) {
                request.dropped = true;
                request.finish();
            }
            requests.clear();
        }
    }
}
