package io.xenemu.core.guest;

import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.StuckException;
import io.xenemu.core.host.WorkProgress;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.XenError;
import java.time.Duration;

/// The suspend of a guest that takes part in its save: it is asked by XenStore, and suspends itself, as `xl save` does
/// it. For the guest's driver.
final class CooperativeSuspend {
    /// A word of Linux's `control/shutdown`.
    private static final String SUSPEND = "suspend";

    /// Between two looks whether the operator has given up.
    private static final Duration LOOK = Duration.ofSeconds(1);

    private final GuestInbox inbox;
    private final GuestBoot boot;

    /// @param inbox of the guest, which is told of a suspend
    CooperativeSuspend(GuestInbox inbox, GuestBoot boot) {
        this.inbox = inbox;
        this.boot = boot;
    }

    /// Asks the guest, and waits until it has suspended itself.
    ///
    /// @param progress cancels the wait
    /// @param limit how long the guest may take
    /// @throws Refused if it cannot suspend itself, or does not in time, or the wait is cancelled; it goes on
    void run(WorkProgress progress, Duration limit) throws Refused {
        if (boot.domain().isPaused()) {
            throw new Refused(name() + " is paused, and so cannot suspend itself");
        }
        if (!boot.canSuspend()) {
            throw new Refused(name() + " cannot suspend itself: it has no PV drivers yet");
        }
        try {
            boot.askToShutDown(SUSPEND);
        } catch (XenError e) {
            throw Refused.byXenStore(name(), e);
        }
        String failure = await(progress, limit);
        if (failure.isEmpty()) {
            boot.suspended();
            return;
        }
        withdraw();
        throw new Refused(failure);
    }

    private String name() {
        return boot.domain().config().name();
    }

    /// @return why the guest is not suspended; empty if it is
    private String await(WorkProgress progress, Duration limit) {
        Domain domain = boot.domain();
        long deadline = System.nanoTime() + limit.toNanos();
        while (!domain.suspension().isSuspended()) {
            long left = deadline - System.nanoTime();
            if (inbox.isDestroyed() || domain.shutdownLatch().get() != null) {
                return name() + " has been destroyed";
            }
            if (progress.isCancelled()) {
                return "the save of " + name() + " was given up";
            }
            if (left <= 0) {
                return "%s has not suspended within %d s".formatted(name(), limit.toSeconds());
            }
            try {
                inbox.await(Math.min(left, LOOK.toNanos()));
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                inbox.destroy();
            }
        }
        return "";
    }

    private void withdraw() throws Refused {
        try {
            boot.withdraw(SUSPEND);
        } catch (XenError e) {
            throw new Refused(
                    "%s is not saved, and may still suspend: XenStore refuses to take the request back: %s"
                            .formatted(name(), e.symbol()));
        }
    }

    /// Lets the guest go on here, unless it was destroyed: its hypercall tells it that the suspend was cancelled.
    ///
    /// @throws Refused if it cannot go on, or XenStore does not know it any more
    void undo() throws Refused {
        if (inbox.isDestroyed()) {
            return;
        }
        try {
            boot.resume();
        } catch (StuckException e) {
            throw new Refused(name() + " cannot be resumed: " + e.getMessage());
        } catch (XenError e) {
            throw new Refused(
                    "%s goes on, but XenStore does not know it: %s".formatted(name(), e.symbol()));
        }
    }
}
