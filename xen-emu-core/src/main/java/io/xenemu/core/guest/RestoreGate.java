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
    private static final String OTHER_FAILED = "a guest of the same file cannot be restored";

    @GuardedBy("this")
    private final List<DomainTies.Restored> made = new ArrayList<>();

    /// Whether the domains are being connected, and so must stay.
    @GuardedBy("this")
    private boolean joining;

    /// Whether they are connected.
    @GuardedBy("this")
    private boolean joined;

    /// The drivers that wait for their turn, or have had it.
    @GuardedBy("this")
    private int arrived;

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

    /// The domains that were made, in this order.
    synchronized List<Domain> domains() {
        return made.stream().map(DomainTies.Restored::domain).toList();
    }

    /// Waits until the drivers of all guests are here, and those before this one have made theirs. An interrupt shuts
    /// the gate.
    ///
    /// @param number of the guest
    /// @param count of all
    /// @throws BootException if it is shut
    void awaitTurn(int number, int count) throws BootException {
        synchronized (this) {
            arrived++;
            notifyAll();
        }
        boolean interrupted = false;
        while (!hasTurn(number, count)) {
            try {
                awaitTurnOrShut(number, count);
            } catch (InterruptedException e) {
                interrupted = true;
                shut();
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        requireNotShut();
    }

    private synchronized boolean hasTurn(int number, int count) {
        return shut || (arrived >= count && made.size() == number);
    }

    private synchronized void awaitTurnOrShut(int number, int count) throws InterruptedException {
        while (!hasTurn(number, count)) {
            wait();
        }
    }

    private synchronized void requireNotShut() throws BootException {
        if (shut) {
            throw new BootException(OTHER_FAILED);
        }
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
            throw new BootException(OTHER_FAILED);
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
