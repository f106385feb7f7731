package io.xenemu.core.guest;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.DomainTies;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// The gate before which restored guests wait until all guests of their file are made, and the file is known to be
/// whole. If one of them cannot be made, or ends, none goes on. Its monitor is a leaf.
final class RestoreGate {
    @GuardedBy("this")
    private final List<DomainTies.Restored> made = new ArrayList<>();

    /// Whether the domains are being connected, and so must stay.
    @GuardedBy("this")
    private boolean joining;

    /// Whether they are connected.
    @GuardedBy("this")
    private boolean joined;

    @GuardedBy("this")
    private boolean open;

    @GuardedBy("this")
    private boolean shut;

    /// The image of the first guest that has ended before the gate was open.
    @GuardedBy("this")
    private @Nullable GuestImage failed;

    /// A guest's domain is made.
    synchronized void add(DomainTies.Restored domain) {
        made.add(domain);
        notifyAll();
    }

    /// The domain that was made last.
    ///
    /// @throws java.util.NoSuchElementException if there is none
    synchronized Domain last() {
        return made.getLast().domain();
    }

    /// A guest has ended.
    synchronized void ended(GuestImage image) {
        if (!open && failed == null) {
            failed = image;
            shut = true;
            notifyAll();
        }
    }

    /// The image of the guest that has ended too early; null if none has.
    synchronized @Nullable GuestImage failed() {
        return failed;
    }

    /// Waits a moment until so many domains are made, or a guest has ended.
    ///
    /// @return false if neither is so yet
    synchronized boolean awaitMade(int count, Duration limit) throws InterruptedException {
        long deadline = System.nanoTime() + limit.toNanos();
        long left = limit.toNanos();
        while (made.size() < count && failed == null && left > 0) {
            TimeUnit.NANOSECONDS.timedWait(this, left);
            left = deadline - System.nanoTime();
        }
        return made.size() >= count || failed != null;
    }

    /// Connects the domains with each other before [#open], which then does not. No domain ends meanwhile.
    ///
    /// @param join connects them; if it fails, no guest goes on
    void join(Consumer<List<DomainTies.Restored>> join) {
        join(join, false);
    }

    /// Connects the domains with each other, and lets the guests go on, unless one of them has ended or is about to. No
    /// domain ends meanwhile.
    ///
    /// @param join connects them; if it fails, no guest goes on
    void open(Consumer<List<DomainTies.Restored>> join) {
        join(join, true);
    }

    private void join(Consumer<List<DomainTies.Restored>> join, boolean opens) {
        List<DomainTies.Restored> all = beginJoin();
        boolean done = false;
        try {
            join.accept(all);
            done = true;
        } finally {
            endJoin(opens, done);
        }
    }

    /// The domains that are not connected yet; none if they are, or the gate is shut.
    private synchronized List<DomainTies.Restored> beginJoin() {
        if (shut || joined) {
            return List.of();
        }
        joining = true;
        return List.copyOf(made);
    }

    private synchronized void endJoin(boolean opens, boolean done) {
        joining = false;
        joined = done;
        open = opens && done && !shut;
        shut |= !done;
        notifyAll();
    }

    private synchronized boolean isOpen() {
        return open;
    }

    /// Lets none of the guests go on, unless it was opened before.
    synchronized void shut() {
        shut |= !open;
        notifyAll();
    }

    /// Waits until it is open. An interrupt shuts it.
    ///
    /// @throws BootException if it is shut
    void pass() throws BootException {
        boolean interrupted = false;
        while (isUndecided()) {
            try {
                awaitNews();
            } catch (InterruptedException e) {
                interrupted = true;
                shut();
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        if (!isOpen()) {
            throw new BootException("a guest of the same file cannot be restored");
        }
    }

    private synchronized boolean isUndecided() {
        return joining || (!open && !shut);
    }

    private synchronized void awaitNews() throws InterruptedException {
        while (joining || (!open && !shut)) {
            wait();
        }
    }
}
