package io.xenemu.core.guest;

import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.StuckException;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.XenError;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/// The driver's part of suspends of a guest's domains. A request is passed on to the guest, and answered when the guest
/// has suspended itself, or its time is over. A guest may also suspend unasked.
final class Suspends {
    /// A word of Linux's `control/shutdown`.
    private static final String SUSPEND = "suspend";

    private final GuestInbox inbox;
    private final String guest;
    private final Duration limit;

    /// The request that has been passed on to the guest, until it is answered.
    private @Nullable Asked asked;

    /// A request that has been passed on to the guest.
    ///
    /// @param until in `System.nanoTime()`
    private record Asked(DriverRequest order, long until) {
        /// The time that the guest has left, in ns.
        long left() {
            return until - System.nanoTime();
        }
    }

    /// @param guest its name
    /// @param limit how long the guest may take
    Suspends(GuestInbox inbox, String guest, Duration limit) {
        this.inbox = inbox;
        this.guest = guest;
        this.limit = limit;
    }

    /// Asks the guest to suspend, for an operator's request. At most one request waits.
    ///
    /// @throws XenError an error of XenStore; the guest is not asked
    void ask(DriverRequest order, GuestBoot boot) throws XenError {
        if (asked != null) {
            boolean _ = order.fail(new Refused(guest + " is about to suspend"));
            return;
        }
        boot.askToShutDown(SUSPEND);
        asked = new Asked(order, System.nanoTime() + limit.toNanos());
    }

    /// Cancels a suspend, for an operator's request, and answers it.
    void resume(DriverRequest order, GuestBoot boot) {
        try {
            boot.resume();
            inbox.running();
            order.done();
        } catch (StuckException e) {
            String reason = guest + " cannot be resumed: " + e.getMessage();
            boolean _ = order.fail(new Refused(reason));
        } catch (XenError e) {
            inbox.running();
            String reason = " is resumed, but XenStore does not know it: " + e.symbol();
            boolean _ = order.fail(new Refused(guest + reason));
        }
    }

    /// Whether the domain has suspended itself since the driver last looked.
    boolean hasNew(Domain domain) {
        return domain.suspension().isSuspended() && inbox.state() != GuestState.SUSPENDED;
    }

    /// The time that the guest has left to suspend, in ns; the most that there is if it is not asked to.
    long left() {
        return asked == null ? Long.MAX_VALUE : asked.left();
    }

    /// Notes a new suspend of the domain, and takes a request back whose time is over.
    void look(GuestBoot boot) {
        if (hasNew(boot.domain())) {
            boot.suspended();
            inbox.suspended();
            if (asked != null) {
                asked.order().done();
                asked = null;
            }
        }
        if (left() <= 0) {
            withdraw(boot);
        }
    }

    private void withdraw(GuestBoot boot) {
        String reason = guest + " has not suspended within " + limit.toSeconds() + " s";
        try {
            boot.withdraw(SUSPEND);
        } catch (XenError e) {
            reason += ", and still may: XenStore refuses to take the request back: " + e.symbol();
        }
        fail(new Refused(reason));
    }

    /// Fails the request that waits, if any.
    void fail(Refused reason) {
        if (asked != null) {
            boolean _ = asked.order().fail(reason);
            asked = null;
        }
    }
}
