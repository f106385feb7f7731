package io.xenemu.core.domain;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.util.ArrayDeque;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/// Work that one vCPU's thread does for others between two entries of the guest: KVM's vCPU ioctls block while the
/// vCPU is in KVM_RUN, so its own thread has to issue them.
///
/// A thread that waits for its request serves its own mailbox meanwhile, so two vCPUs may call each other at once.
public final class VcpuMailbox {
    /// Limits one park, so that a lost wake-up causes a delay instead of a hang.
    private static final long PARK_NANOS = 10_000_000;

    private static final class Request {
        final Runnable task;
        final Thread requester = Thread.currentThread();

        /// Completed for a requester that does not wait.
        final @Nullable CompletableFuture<@Nullable Void> answer;

        volatile boolean done;
        volatile boolean dropped;
        volatile @Nullable RuntimeException failure;

        Request(Runnable task, @Nullable CompletableFuture<@Nullable Void> answer) {
            this.task = task;
            this.answer = answer;
        }

        void finish() {
            done = true;
            if (answer == null) {
                LockSupport.unpark(requester);
            } else if (failure == null) {
                answer.complete(null);
            } else {
                answer.completeExceptionally(failure);
            }
        }
    }

    @GuardedBy("this")
    private final Queue<Request> requests = new ArrayDeque<>();

    @GuardedBy("this")
    private boolean closed;

    private volatile boolean waiting;

    /// Asks the owner to run `task`, and waits until it has run.
    ///
    /// @param wake makes the owner check its mailbox (a kick, and an unpark)
    /// @param own the caller's own mailbox, if the caller is a vCPU thread
    /// @return false if the owner has ended, so that the task will never run
    public boolean call(Runnable task, Runnable wake, @Nullable VcpuMailbox own) {
        Request request = new Request(task, null);
        if (!add(request)) {
            return false;
        }
        wake.run();
        await(request, own);
        RuntimeException failure = request.failure;
        if (failure != null) {
            throw failure;
        }
        return !request.dropped;
    }

    /// Asks the owner to run `task`, and does not wait.
    ///
    /// @param wake makes the owner check its mailbox
    /// @return complete when the task has run, or the owner has ended; fails as the task does
    public CompletableFuture<@Nullable Void> post(Runnable task, Runnable wake) {
        CompletableFuture<@Nullable Void> answer = new CompletableFuture<>();
        if (add(new Request(task, answer))) {
            wake.run();
        } else {
            answer.complete(null);
        }
        return answer;
    }

    private synchronized boolean add(Request request) {
        if (closed) {
            return false;
        }
        requests.add(request);
        waiting = true;
        return true;
    }

    /// Waits. An interrupt is kept for later: the task may have begun, and its outcome must be known.
    private void await(Request request, @Nullable VcpuMailbox own) {
        boolean interrupted = false;
        while (!request.done) {
            if (own != null) {
                own.serve();
            }
            LockSupport.parkNanos(this, PARK_NANOS);
            // Clears it, since otherwise no later park would wait.
            interrupted |= Thread.interrupted();
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /// Runs the requested tasks; called by the owner. Costs one volatile read if there are none.
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
                // This ends the owner's thread; the requester must not wait forever.
                request.failure = new IllegalStateException("the vCPU's thread has failed", e);
                throw e;
            } finally {
                request.finish();
            }
        }
    }

    /// Ends the mailbox: drops unserved requests, and refuses later ones. Called by the owner at its end.
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
