package io.xenemu.core.guest;

import io.xenemu.core.domain.StuckException;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.XenError;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/// The driver's part of requests to its guest: carries them out while the driver waits for something else.
final class RequestLoop {
    private final GuestInbox inbox;
    private final String guest;
    private final Suspends suspends;
    private final CoreDumps dumps;
    private final Saves saves;

    /// The current boot.
    private @Nullable GuestBoot boot;

    /// The request for the first boot, until it is answered.
    private @Nullable DriverRequest start;

    /// @param guest its name
    RequestLoop(GuestInbox inbox, String guest, Suspends suspends, CoreDumps dumps, Saves saves) {
        this.inbox = inbox;
        this.guest = guest;
        this.suspends = suspends;
        this.dumps = dumps;
        this.saves = saves;
    }

    /// Requests are for this boot from now on; for none if it is null.
    void serves(@Nullable GuestBoot next) {
        boot = next;
    }

    /// The guest runs: answers the request for its first boot.
    void started() {
        DriverRequest first = start;
        if (first != null) {
            first.done();
            start = null;
        }
    }

    /// Carries out requests until `done`, or the guest is destroyed, or a time has passed. An interrupt destroys the
    /// guest.
    ///
    /// @param until in `System.nanoTime()`, or [Guest#FOREVER]
    void serveUntil(BooleanSupplier done, long until) {
        try {
            while (!done.getAsBoolean() && !inbox.isDestroyed()) {
                if (serveOne()) {
                    continue;
                }
                long left = left(until);
                if (left <= 0) {
                    return;
                }
                inbox.await(left);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            inbox.destroy();
        }
    }

    /// The time from now until then, in ns.
    ///
    /// @param until in `System.nanoTime()`, or [Guest#FOREVER]
    static long left(long until) {
        return until == Guest.FOREVER ? Long.MAX_VALUE : until - System.nanoTime();
    }

    /// Carries out or refuses all requests that can be decided now.
    void serve() {
        boolean more = true;
        while (more) {
            more = serveOne();
        }
    }

    /// @return false if no request can be decided now
    private boolean serveOne() {
        GuestRequests.Step step = inbox.next();
        if (step == null) {
            return false;
        }
        Refusal refusal = step.refusal();
        if (refusal == null) {
            carryOut(step.request());
        } else {
            inbox.refuse(step.request(), refusal);
        }
        return true;
    }

    /// Carries out a request, and answers it. If that fails, the thread that waits for the answer gets the failure, and
    /// the guest goes on.
    private void carryOut(DriverRequest order) {
        try {
            switch (order.kind()) {
                // Answered when the guest runs.
                case START -> start = order;
                case PAUSE -> pause(order);
                case UNPAUSE -> {
                    current().unpause();
                    order.done();
                }
                case SHUT_DOWN -> shutDown(order, "poweroff");
                case REBOOT -> shutDown(order, "reboot");
                // Answered when the guest has suspended itself.
                case SUSPEND -> suspends.ask(order, current());
                case RESUME -> suspends.resume(order, current());
                case DUMP_CORE -> dumps.carryOut(order, current().domain());
                case SAVE -> saves.carryOut(order, current());
                case MIGRATE -> saves.migrate(order, current());
                case HAND_OVER -> saves.handOver(order, current());
            }
        } catch (XenError e) {
            boolean _ = order.fail(Refused.byXenStore(e));
        } catch (RuntimeException | Error e) {
            if (!order.fail(e)) {
                throw e;
            }
        }
    }

    private void pause(DriverRequest order) {
        boolean paused = false;
        try {
            current().pause();
            paused = true;
            order.done();
        } catch (StuckException e) {
            String reason = guest + " cannot be paused: " + e.getMessage();
            boolean _ = order.fail(new Refused(reason));
        } finally {
            if (!paused) {
                inbox.pauseFailed();
            }
        }
    }

    private void shutDown(DriverRequest order, String how) throws XenError {
        current().askToShutDown(how);
        order.done();
    }

    /// The current boot.
    ///
    /// @throws IllegalStateException if there is none
    GuestBoot current() {
        GuestBoot current = boot;
        if (current == null) {
            throw new IllegalStateException("no domain: " + inbox.state());
        }
        return current;
    }
}
