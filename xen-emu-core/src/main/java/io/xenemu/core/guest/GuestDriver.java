package io.xenemu.core.guest;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.device.HostConsole;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.ShutdownLatch;
import io.xenemu.core.domain.ShutdownReason;
import io.xenemu.core.domain.StuckException;
import io.xenemu.core.hypervisor.DomainDriver;
import io.xenemu.core.hypervisor.Hypervisor;
import io.xenemu.core.hypervisor.MemoryAdmission;
import io.xenemu.core.machine.HaltWatch;
import io.xenemu.core.toolstack.DevicesOverReboot;
import io.xenemu.core.toolstack.Refused;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The work of a guest's own thread: boots the guest again and again, and carries out requests meanwhile. [Guest] draws
/// the states.
final class GuestDriver {
    private static final Logger log = LoggerFactory.getLogger(GuestDriver.class);

    private static final long LOOK_NANOS = TimeUnit.MILLISECONDS.toNanos(HaltWatch.LOOK_MILLIS);

    private final Hypervisor hypervisor;
    private final GuestRequest request;
    private final GuestInbox inbox;
    private final DomainDriver orders;
    private final @Nullable DomainImage image;
    private final @Nullable HostConsole console;
    private final @Nullable HostConsole serial;
    private final CoreDumps dumps;
    private final Suspends suspends;
    private final RequestLoop requests;
    private final StoppedBoot.Keeper keeper;
    private final long deadline;
    private final RestartLimit restarts = new RestartLimit();

    /// When the domain was built, or last reset softly, in `System.nanoTime()`.
    private long begun;

    /// The guest's part of the host's memory.
    private MemoryAdmission.@Nullable Share share;

    /// @param orders takes an operator's orders for the guest's domains
    /// @param image from which the first domain is restored; null if it boots. Closed at the guest's end
    /// @param dumps the folder for core dumps
    /// @param console the host's end of the PV console, if any
    /// @param serial that of the serial port, if any
    /// @param suspendLimit how long the guest may take to suspend
    /// @param keeper takes stopped domains over that are to stay while the guest boots again
    /// @param deadline in `System.nanoTime()`, or [Guest#FOREVER]
    GuestDriver(
            Hypervisor hypervisor,
            GuestRequest request,
            GuestInbox inbox,
            DomainDriver orders,
            @Nullable DomainImage image,
            Path dumps,
            @Nullable HostConsole console,
            @Nullable HostConsole serial,
            Duration suspendLimit,
            StoppedBoot.Keeper keeper,
            long deadline) {
        this.hypervisor = hypervisor;
        this.request = request;
        this.inbox = inbox;
        this.orders = orders;
        this.image = image;
        this.dumps = new CoreDumps(inbox, dumps);
        this.console = console;
        this.serial = serial;
        suspends = new Suspends(inbox, request.config().name(), suspendLimit);
        requests =
                new RequestLoop(
                        inbox,
                        request.config().name(),
                        suspends,
                        this.dumps,
                        new Saves(hypervisor, inbox, request, suspendLimit));
        this.keeper = keeper;
        this.deadline = deadline;
    }

    /// See [Guest#run].
    RunOutcome run() throws BootException {
        try {
            requests.serveUntil(() -> inbox.state() != GuestState.MADE, Guest.FOREVER);
            if (inbox.isDestroyed()) {
                return RunOutcome.STOPPED;
            }
            // One share for all boots, so that no reboot fails for lack of memory.
            share =
                    hypervisor
                            .memory()
                            .admit(
                                    request.config(),
                                    request.overcommit(),
                                    image == null ? 0 : image.heldBytes());
            return boots();
        } finally {
            end();
            MemoryAdmission.Share last = share;
            if (last != null) {
                last.close();
            }
            if (image != null) {
                image.close();
            }
        }
    }

    private MemoryAdmission.Share admit() throws BootException {
        return hypervisor.memory().admit(request.config(), request.overcommit());
    }

    /// Keeps a domain of another guest, until it is destroyed: see [StoppedBoot].
    RunOutcome keep(StoppedBoot stopped) {
        requests.serves(stopped.boot());
        try {
            requests.serveUntil(inbox::endsAtStop, Guest.FOREVER);
            return RunOutcome.of(stopped.reason());
        } finally {
            end();
            requests.serves(null);
            try {
                stopped.boot().remove();
            } finally {
                stopped.share().close();
            }
        }
    }

    /// Lets a stopped domain stay as another guest, which takes the share over.
    ///
    /// @return false if it does not stay
    private boolean handOver(GuestBoot stopped, ShutdownReason reason) {
        MemoryAdmission.Share last = Objects.requireNonNull(share);
        stopped.domain().stop(ShutdownReason.DESTROYED);
        if (!keeper.keep(new StoppedBoot(stopped, request, last, reason))) {
            return false;
        }
        share = null;
        return true;
    }

    private RunOutcome boots() throws BootException {
        DevicesOverReboot kept = DevicesOverReboot.ofFirstBoot(request.devices());
        GuestRequest next = request;
        DomainImage from = image;
        while (!inbox.isDestroyed()) {
            GuestBoot built = make(from, next);
            boolean isRestored = from != null && !from.isForEachBoot();
            from = from != null && from.isForEachBoot() ? from : null;
            begun = System.nanoTime();
            ShutdownReason reason;
            boolean again = false;
            boolean stays = false;
            try {
                requests.serves(built);
                inbox.built(built.domain());
                if (isRestored) {
                    inbox.restored(built.domain().pauses());
                }
                reason = runOnce(built, kept, next.onlineVcpus());
                EndAction action =
                        reason == null ? EndAction.DESTROY : request.ends().after(reason);
                if (action == EndAction.PRESERVE && !inbox.endsAtStop()) {
                    return preserve(built, reason);
                }
                if (action.dumpsCore()) {
                    stay(built);
                    dumps.afterStop(built.domain());
                }
                again = action.restarts() && !inbox.endsAtStop();
                if (reason == null || !again) {
                    return RunOutcome.of(reason);
                }
                inbox.rebooting();
                requests.serve();
                kept = built.keepDevices();
                next =
                        request.nextBoot(
                                built.memoryTarget(),
                                built.onlineVcpus(next.onlineVcpus()),
                                built.platform(),
                                built.engines());
                if (action == EndAction.RENAME_RESTART) {
                    suspends.fail(Refusal.GONE.of(request.config().name()));
                    requests.serves(null);
                    stays = handOver(built, reason);
                }
            } finally {
                suspends.fail(Refusal.GONE.of(request.config().name()));
                if (!again) {
                    end();
                }
                requests.serves(null);
                if (!stays) {
                    built.remove();
                }
            }
            if (share == null) {
                share = admit();
            }
            if (!mayRestart(Duration.ofNanos(System.nanoTime() - begun))) {
                return RunOutcome.of(reason);
            }
            inbox.startAgain();
        }
        return RunOutcome.STOPPED;
    }

    /// Makes the guest's next domain.
    ///
    /// @param from the image that it is restored from; null if it boots
    private GuestBoot make(@Nullable DomainImage from, GuestRequest next) throws BootException {
        if (from == null) {
            return GuestBoot.build(hypervisor, next, orders, console, serial);
        }
        inbox.cancelWith(from::cancel);
        try {
            return from.restore(hypervisor, orders, console, serial);
        } finally {
            inbox.cancelWith(null);
        }
    }

    /// Moves the guest to [GuestState#PRESERVED], and stops the domain's vCPUs. Requests that need a running domain are
    /// refused from now on.
    private void stay(GuestBoot stopped) {
        inbox.preserved();
        suspends.fail(Refusal.STOPPED.of(request.config().name()));
        stopped.domain().stop(ShutdownReason.DESTROYED);
    }

    /// Keeps a domain that has stopped, until it is destroyed.
    ///
    /// @param reason why it has stopped
    private RunOutcome preserve(GuestBoot stopped, @Nullable ShutdownReason reason) {
        stay(stopped);
        stopped.preserved();
        requests.serveUntil(inbox::endsAtStop, deadline);
        if (inbox.isDestroyed() || inbox.endsAtStop()) {
            return RunOutcome.of(reason);
        }
        stopped.timedOut();
        return RunOutcome.TIMEOUT;
    }

    /// Ends the guest, and answers all waiting requests.
    private void end() {
        inbox.end();
        requests.serve();
    }

    /// Runs one domain until it stops.
    ///
    /// @return why it has stopped; null if its time was over
    private @Nullable ShutdownReason runOnce(
            GuestBoot current, DevicesOverReboot kept, int onlineVcpus) throws BootException {
        awaitDevices(current.connect(kept, onlineVcpus));
        if (inbox.isDestroyed()) {
            return ShutdownReason.DESTROYED;
        }
        // A pause that was put before the start is carried out before the guest runs.
        requests.serve();
        current.start();
        inbox.running();
        requests.started();
        ShutdownLatch.Outcome outcome = awaitStop(current.domain());
        if (outcome == null) {
            current.timedOut();
            return null;
        }
        current.stopped(outcome);
        return outcome.reason();
    }

    /// Waits until the domain stops, and checks it at intervals.
    ///
    /// @return null if the deadline has passed
    private ShutdownLatch.@Nullable Outcome awaitStop(Domain domain) {
        ShutdownLatch stopped = domain.shutdownLatch();
        stopped.onSet(inbox::wake);
        domain.suspension().onSuspend(inbox::wake);
        HaltWatch watch = new HaltWatch(domain);
        while (true) {
            requests.serveUntil(
                    () ->
                            stopped.get() != null
                                    || suspends.hasNew(domain)
                                    || domain.suspension().isSoftReset(),
                    soonest(Math.min(LOOK_NANOS, suspends.left())));
            if (inbox.isDestroyed()) {
                domain.shutdown(ShutdownReason.DESTROYED, "");
            }
            ShutdownLatch.Outcome outcome = stopped.get();
            if (outcome != null || RequestLoop.left(deadline) <= 0) {
                return outcome;
            }
            suspends.look(requests.current());
            if (domain.suspension().isSoftReset()) {
                softReset(requests.current());
            }
            watch.look();
        }
    }

    /// Resets the domain softly, or stops it: if that is not the action, or if the reset fails.
    private void softReset(GuestBoot boot) {
        Domain domain = boot.domain();
        if (request.ends().softReset() != EndAction.SOFT_RESET || inbox.endsAtStop()) {
            domain.shutdown(ShutdownReason.SOFT_RESET, "");
            return;
        }
        suspends.fail(new Refused(request.config().name() + " has been reset"));
        try {
            awaitDevices(boot.softReset());
            Duration lived = Duration.ofNanos(System.nanoTime() - begun);
            begun = System.nanoTime();
            if (!mayRestart(lived)) {
                domain.shutdown(ShutdownReason.SOFT_RESET, "");
            } else if (!inbox.isDestroyed()) {
                domain.suspension().endSoftReset();
            }
        } catch (StuckException | BootException e) {
            domain.crash("its soft reset has failed: " + e.getMessage());
        } catch (RuntimeException | Error e) {
            domain.failed("the soft reset of " + domain.id(), e);
        }
    }

    /// Carries out requests until a domain has its devices, or is destroyed.
    ///
    /// @throws BootException if it cannot have a device that it must have
    private void awaitDevices(CompletableFuture<Void> connected) throws BootException {
        CompletableFuture<Void> _ = connected.whenComplete((_, _) -> inbox.wake());
        requests.serveUntil(connected::isDone, Guest.FOREVER);
        if (inbox.isDestroyed()) {
            return;
        }
        try {
            connected.join();
        } catch (CompletionException e) {
            if (e.getCause() instanceof Refused refused) {
                throw new BootException(refused.reason());
            }
            throw e;
        }
    }

    /// Waits before the next boot if the guest has stopped too soon too many times.
    ///
    /// @param lived how long its last domain has existed
    /// @return false if the guest ends instead
    private boolean mayRestart(Duration lived) {
        String name = request.config().name();
        Optional<Duration> wait = restarts.next(lived);
        if (wait.isEmpty()) {
            log.error(
                    "{} is given up: it has stopped {} times within {} s of its start each",
                    name,
                    RestartLimit.MAX,
                    RestartLimit.QUICK.toSeconds());
            return false;
        }
        if (!wait.get().isZero()) {
            log.warn(
                    "{} stops as soon as it has started: it is restarted in {} s",
                    name,
                    wait.get().toSeconds());
            requests.serveUntil(inbox::endsAtStop, soonest(wait.get().toNanos()));
        }
        return !inbox.endsAtStop();
    }

    /// Some time from now, or the deadline if that is sooner.
    private long soonest(long nanos) {
        long then = System.nanoTime() + nanos;
        return deadline == Guest.FOREVER || then - deadline < 0 ? then : deadline;
    }
}
