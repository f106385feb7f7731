package io.xenemu.core.guest;

import com.google.common.collect.Sets;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.boot.BootFiles;
import io.xenemu.core.device.HostConsole;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.ShutdownLatch;
import io.xenemu.core.domain.ShutdownReason;
import io.xenemu.core.host.Teardown;
import io.xenemu.core.hypervisor.ConsoleChannel;
import io.xenemu.core.hypervisor.Hypervisor;
import io.xenemu.core.hypervisor.MemoryAdmission;
import io.xenemu.core.hypervisor.StoreChannel;
import io.xenemu.core.machine.HaltWatch;
import io.xenemu.core.toolstack.DevicesOverReboot;
import java.time.Duration;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A guest over its reboots: each boot is a domain with an id of its own, as under xl.
public final class Guest {
    private static final Logger log = LoggerFactory.getLogger(Guest.class);

    /// What an operator or the guest itself has wanted.
    private static final Set<ShutdownReason> ORDERLY =
            Sets.immutableEnumSet(
                    ShutdownReason.POWEROFF, ShutdownReason.REBOOT, ShutdownReason.DESTROYED);

    /// No deadline.
    public static final long FOREVER = Long.MAX_VALUE;

    private final Hypervisor hypervisor;
    private final GuestRequest request;
    private final @Nullable HostConsole console;
    private final @Nullable HostConsole serial;
    private final CompletableFuture<Void> stopped = new CompletableFuture<>();
    private volatile @Nullable Domain current;
    private final CompletableFuture<Void> endsAtReboot = new CompletableFuture<>();
    private final RestartLimit restarts = new RestartLimit();

    /// @param console the host's end of its PV console, if any
    /// @param serial that of its serial port, if any
    public Guest(
            Hypervisor hypervisor,
            GuestRequest request,
            @Nullable HostConsole console,
            @Nullable HostConsole serial) {
        this.hypervisor = hypervisor;
        this.request = request;
        this.console = console;
        this.serial = serial;
    }

    /// Runs it until it stops for good.
    ///
    /// @param deadline in `System.nanoTime()`, after which it is stopped; [#FOREVER] for none
    /// @param starting called with each domain before it starts
    /// @throws BootException when a file is no kernel, or cannot be read, or does not fit, or the host has too little memory
    public RunOutcome run(long deadline, Consumer<Domain> starting) throws BootException {
        // Over all reboots, so that none of them fails for want of it.
        try (MemoryAdmission.Share _ =
                hypervisor.memory().admit(request.config(), request.overcommit())) {
            return boots(deadline, starting);
        }
    }

    private RunOutcome boots(long deadline, Consumer<Domain> starting) throws BootException {
        DevicesOverReboot kept = DevicesOverReboot.NONE;
        while (true) {
            if (stopped.isDone()) {
                return RunOutcome.STOPPED;
            }
            GuestDevices devices = new GuestDevices(console, serial);
            Domain domain = make(devices);
            long begun = System.nanoTime();
            try {
                current = domain;
                RunOutcome outcome = once(domain, devices, kept, deadline, starting);
                if (outcome != RunOutcome.REBOOT || !request.reboot() || endsAtReboot.isDone()) {
                    return outcome;
                }
                kept = hypervisor.keepDevices(domain);
            } finally {
                Teardown steps = new Teardown();
                steps.add(() -> hypervisor.destroy(domain));
                steps.add(devices::detach);
                // First: a guest that goes on printing would have its devices detached for ever.
                steps.add(() -> domain.stop(ShutdownReason.DESTROYED));
                steps.close();
            }
            if (!mayRestart(domain, Duration.ofNanos(System.nanoTime() - begun), deadline)) {
                return RunOutcome.REBOOT;
            }
        }
    }

    private Domain make(GuestDevices devices) throws BootException {
        try (BootFiles files = request.open()) {
            return hypervisor.create(
                    request.config(),
                    files.kernel(),
                    files.modules(),
                    request.commandLine(),
                    devices::ports);
        }
    }

    /// Stops it; [#run] then returns.
    public void stop() {
        stopped.complete(null);
        Domain domain = current;
        if (domain != null) {
            domain.shutdown(ShutdownReason.DESTROYED, "");
        }
    }

    /// Waits before the next boot, if it has rebooted too soon too often.
    ///
    /// @param lived how long this one has taken
    /// @return false when it is to be gone
    private boolean mayRestart(Domain domain, Duration lived, long deadline) {
        Optional<Duration> wait = restarts.next(lived);
        if (wait.isEmpty()) {
            log.error(
                    "{} is given up: it has rebooted {} times within {} s of its start each",
                    domain.config().name(),
                    RestartLimit.MAX,
                    RestartLimit.QUICK.toSeconds());
            return false;
        }
        if (!wait.get().isZero()) {
            log.warn(
                    "{} reboots as soon as it has started: it is restarted in {} s",
                    domain.config().name(),
                    wait.get().toSeconds());
            await(wait.get(), deadline);
        }
        return !endsAtReboot.isDone();
    }

    /// Waits for some time, but no longer than until the deadline or the guest's end.
    private void await(Duration wait, long deadline) {
        long left = deadline == FOREVER ? FOREVER : deadline - System.nanoTime();
        try {
            Object _ =
                    CompletableFuture.anyOf(stopped, endsAtReboot)
                            .get(Math.min(wait.toNanos(), Math.max(left, 0)), TimeUnit.NANOSECONDS);
        } catch (TimeoutException | ExecutionException e) {
            // Neither has been asked for; they do not fail.
            return;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /// Lets it not reboot any more: [#run] returns when it wants to.
    public void endAtReboot() {
        endsAtReboot.complete(null);
    }

    private RunOutcome once(
            Domain domain,
            GuestDevices devices,
            DevicesOverReboot kept,
            long deadline,
            Consumer<Domain> starting) {
        StoreChannel store = hypervisor.storeChannel(domain);
        ConsoleChannel channel = devices.connectConsole(domain, hypervisor.servicePorts());
        hypervisor.introduce(domain, store, channel);
        devices.attach();
        // Its root file system may be on one of them.
        CompletableFuture.anyOf(stopped, hypervisor.reattach(domain, kept)).join();
        if (stopped.isDone()) {
            return RunOutcome.STOPPED;
        }
        starting.accept(domain);
        domain.start();
        log.info(
                "{}: started with {} MiB and {} vCPUs",
                domain,
                domain.config().memoryBytes() >> 20,
                domain.config().vcpus());
        ShutdownLatch.Outcome outcome = await(domain, deadline);
        hypervisor.xenstore().shutdown(domain.id());
        if (outcome == null) {
            log.warn("{}: timeout", domain);
            devices.hurry();
            return RunOutcome.TIMEOUT;
        }
        tell(domain, outcome);
        return switch (outcome.reason()) {
            case POWEROFF -> RunOutcome.POWEROFF;
            case REBOOT -> RunOutcome.REBOOT;
            case CRASH -> RunOutcome.CRASH;
            case TRIPLE_FAULT -> RunOutcome.TRIPLE_FAULT;
            case HOST_ERROR -> RunOutcome.HOST_ERROR;
            case DESTROYED -> RunOutcome.STOPPED;
            case SUSPEND, WATCHDOG, SOFT_RESET, OTHER -> RunOutcome.OTHER_SHUTDOWN;
        };
    }

    /// For an operator: how a domain has ended.
    private static void tell(Domain domain, ShutdownLatch.Outcome outcome) {
        String reason = outcome.reason().name().toLowerCase(Locale.ROOT).replace('_', ' ');
        String message = outcome.message().isEmpty() ? "" : ": " + outcome.message();
        if (ORDERLY.contains(outcome.reason()) && message.isEmpty()) {
            log.info("{}: {}", domain, reason);
        } else {
            log.warn("{}: {}{}", domain, reason, message);
        }
    }

    /// Waits for the end of the domain, and for the deadline; looks at it now and then.
    private static ShutdownLatch.@Nullable Outcome await(Domain domain, long deadline) {
        HaltWatch watch = new HaltWatch(domain);
        try {
            while (true) {
                long left =
                        deadline == FOREVER
                                ? FOREVER
                                : TimeUnit.NANOSECONDS.toMillis(deadline - System.nanoTime());
                ShutdownLatch.Outcome outcome =
                        domain.shutdownLatch().await(Math.clamp(left, 0, HaltWatch.LOOK_MILLIS));
                if (outcome != null || left <= 0) {
                    return outcome;
                }
                watch.look();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return new ShutdownLatch.Outcome(ShutdownReason.DESTROYED, "");
        }
    }
}
