package io.xenemu.core.guest;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.SaveScope;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.KvmException;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The guests that are saved in one file or move together, and the result for all of them. The driver of each brings
/// its guest, and waits. The driver that comes last saves or moves them all. Its monitor is a leaf.
final class SaveParty {
    private final int size;

    @GuardedBy("this")
    private final List<Member> members = new ArrayList<>();

    /// Whether there is a result.
    @GuardedBy("this")
    private boolean over;

    @GuardedBy("this")
    private @Nullable Refused failure;

    /// Whether the guests have moved to another host.
    @GuardedBy("this")
    private boolean haveLeft;

    @GuardedBy("this")
    private Duration stoodStill = Duration.ZERO;

    /// One of the guests, whose driver waits.
    ///
    /// @param request for its boots
    /// @param boot the guest now
    record Member(GuestInbox inbox, GuestRequest request, GuestBoot boot) {
        Domain domain() {
            return boot.domain();
        }

        String name() {
            return boot.domain().config().name();
        }

        /// Waits for memory that still comes, before the guest stops.
        void awaitMemory() throws IOException {
            try {
                domain().memory().awaitAll();
            } catch (KvmException e) {
                throw new IOException(e.getMessage(), e);
            }
        }
    }

    /// What a save of these guests covers that do not notice it.
    static SaveScope scope(List<Member> guests) {
        return guests.size() == 1
                ? SaveScope.ALONE
                : SaveScope.together(guests.stream().map(one -> one.domain().id()).toList());
    }

    /// Calls something when all of these guests are destroyed: while they stand still together, they end together.
    ///
    /// @param then called with no lock held
    static void whenAllAreDestroyed(List<Member> guests, Runnable then) {
        Runnable look =
                () -> {
                    if (guests.stream().allMatch(guest -> guest.inbox().isDestroyed())) {
                        then.run();
                    }
                };
        guests.forEach(guest -> guest.inbox().cancelWith(look));
    }

    /// @param size the number of guests
    SaveParty(int size) {
        this.size = size;
    }

    /// Brings a guest.
    ///
    /// @return all guests in the order of their ids, for the driver that comes last; none for the others, which then
    ///     [#await]
    /// @throws Refused if the save was given up before
    synchronized List<Member> arrive(Member member) throws Refused {
        requireNoFailure();
        members.add(member);
        return isComplete()
                ? members.stream()
                        .sorted(Comparator.comparingInt(one -> one.domain().id().value()))
                        .toList()
                : List.of();
    }

    /// Whether every guest was brought.
    synchronized boolean isComplete() {
        return members.size() == size;
    }

    /// Gives the save up, unless all guests are there: then only their saver ends it.
    synchronized void giveUp(Refused reason) {
        if (!isComplete()) {
            end(reason);
        }
    }

    /// The migration is over.
    ///
    /// @param left whether the guests have moved
    synchronized void moved(boolean left) {
        haveLeft = left;
        over = true;
        notifyAll();
    }

    /// Whether the guests have moved, when the migration is over.
    synchronized boolean haveLeft() {
        return haveLeft;
    }

    /// The guests were saved.
    ///
    /// @param pause how long they have stood still, if they go on
    synchronized void saved(Duration pause) {
        stoodStill = pause;
        over = true;
        notifyAll();
    }

    /// The guests were not saved, or do not move.
    synchronized void failed(Refused reason) {
        end(reason);
    }

    @GuardedBy("this")
    private void end(Refused reason) {
        if (!over) {
            over = true;
            failure = reason;
            notifyAll();
        }
    }

    /// How long the guests have stood still that were saved.
    synchronized Duration stoodStill() {
        return stoodStill;
    }

    /// Waits for the result. The driver of a guest that is being saved cannot go away, so an interrupt only asks for
    /// the end of the save.
    ///
    /// @param inbox of the guest
    /// @throws Refused if the guests were not saved
    void await(GuestInbox inbox) throws Refused {
        boolean interrupted = false;
        while (!isOver()) {
            try {
                awaitNews();
            } catch (InterruptedException e) {
                interrupted = true;
                inbox.destroy();
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        requireNoFailure();
    }

    private synchronized boolean isOver() {
        return over;
    }

    private synchronized void awaitNews() throws InterruptedException {
        while (!over) {
            wait();
        }
    }

    private synchronized void requireNoFailure() throws Refused {
        if (failure != null) {
            throw new Refused(failure.kind(), failure.reason());
        }
    }
}
