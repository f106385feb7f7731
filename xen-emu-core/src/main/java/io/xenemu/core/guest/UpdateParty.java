package io.xenemu.core.guest;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.toolstack.Refused;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/// The guests that a service hands over to its next version. The driver of each brings its guest and waits, while
/// [UpdateSource] works on all of them. Its monitor is a leaf.
final class UpdateParty {
    private final int size;

    @GuardedBy("this")
    private final List<SaveParty.Member> members = new ArrayList<>();

    /// Complete at the end, with whether the guests run elsewhere.
    private final CompletableFuture<Boolean> left = new CompletableFuture<>();

    /// @param size the number of guests
    UpdateParty(int size) {
        this.size = size;
    }

    /// Brings a guest, whose driver then waits with [#await].
    synchronized void arrive(SaveParty.Member member) {
        members.add(member);
        notifyAll();
    }

    /// Waits until every guest was brought.
    ///
    /// @return all of them in the order of their ids
    /// @throws Refused if that takes too long
    synchronized List<SaveParty.Member> all(Duration limit) throws Refused, InterruptedException {
        long deadline = System.nanoTime() + limit.toNanos();
        long nanos = limit.toNanos();
        while (members.size() < size && nanos > 0) {
            TimeUnit.NANOSECONDS.timedWait(this, nanos);
            nanos = deadline - System.nanoTime();
        }
        if (members.size() < size) {
            throw new Refused(
                    "one of the guests is busy: it was not ready within %d s"
                            .formatted(limit.toSeconds()));
        }
        return members.stream()
                .sorted(Comparator.comparingInt(one -> one.domain().id().value()))
                .toList();
    }

    /// Lets the drivers go on.
    ///
    /// @param haveLeft whether the guests run elsewhere
    void end(boolean haveLeft) {
        boolean _ = left.complete(haveLeft);
    }

    /// Waits until the guests have left, or go on here. A driver whose guest is being handed over cannot go away: an
    /// interrupt is kept for later.
    ///
    /// @return whether they have left
    boolean await() {
        return left.join();
    }
}
