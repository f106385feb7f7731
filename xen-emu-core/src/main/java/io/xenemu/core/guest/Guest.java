package io.xenemu.core.guest;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.device.HostConsole;
import io.xenemu.core.host.WorkProgress;
import io.xenemu.core.hypervisor.DomainDriver;
import io.xenemu.core.hypervisor.DomainOrder;
import io.xenemu.core.hypervisor.Hypervisor;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.DomId;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.ExecutionException;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// A guest over its reboots: each boot is a domain with an id of its own, as under xl.
///
/// The thread that calls [#run] is the guest's driver. It alone moves the guest from one state to the next. Other
/// threads put requests, which the driver carries out between two moves, and may wait for the answer. [GuestRequests]
/// says which request is carried out, queued or refused in which state.
///
/// ```
///            start              devices are there           pause
///   Made ------------> Starting -----------------> Running <--------> Paused
///                         ^                         |   |    unpause   |   |
///                         | wait of RestartLimit    |   |              |   |
///                         |                         |   +--> Saving <--+   |   (back to Running or Paused,
///                         |       guest reboots     |   +--> Migrating <---+    or the guest has moved)
///                         |                         |   +--> Suspended <----+   the guest suspends itself,
///                         |                         |   |                   |   and an operator resumes it
///                      Rebooting <------------------+-- from any of these five, if it is to boot again
///                         ^                         |
///                         | core dumped             |
///                      Preserved <------------------+-- from any of these five, if its domain is to stay or be dumped
///
///   any state ------------> Ended      destroyed; its domain stopped, and is not to be followed by another; moved;
///                                      time-out; a boot that failed
/// ```
///
/// [EndActions] has the action after each stop of its domain. With `rename-restart` the stopped domain becomes another
/// guest, which is Preserved from its beginning. A soft reset changes no state.
public final class Guest {
    /// No deadline.
    public static final long FOREVER = Long.MAX_VALUE;

    /// As under xl.
    private static final Duration SUSPEND_LIMIT = Duration.ofSeconds(60);

    /// The interval at which a thread that waits for a dump is told its progress.
    static final Duration TOLD_EVERY = Duration.ofSeconds(1);

    private final GuestRequest request;
    private final Path dumps;
    private final GuestInbox inbox;
    private final Duration suspendLimit;
    private final StoppedBoot.Keeper keeper;
    private final @Nullable StoppedBoot stopped;
    private final @Nullable DomainImage image;

    /// A guest that waits for [#start], and whose domains are not renamed.
    ///
    /// @param dumps the folder for core dumps of its domains, which may not be there yet
    public Guest(GuestRequest request, Path dumps) {
        this(request, dumps, SUSPEND_LIMIT, _ -> false);
    }

    /// A guest that waits for [#start].
    ///
    /// @param dumps the folder for core dumps of its domains, which may not be there yet
    /// @param keeper takes its stopped domains over that are to stay while it boots again
    Guest(GuestRequest request, Path dumps, StoppedBoot.Keeper keeper) {
        this(request, dumps, SUSPEND_LIMIT, keeper);
    }

    /// A guest that waits for [#start], with another time limit of a suspend.
    ///
    /// @param suspendLimit how long it may take to suspend
    Guest(GuestRequest request, Path dumps, Duration suspendLimit, StoppedBoot.Keeper keeper) {
        this(request, null, dumps, suspendLimit, keeper);
    }

    /// A saved guest that waits for [#start].
    ///
    /// @param image closed at the end of [#run]
    /// @param dumps the folder for core dumps of its domains, which may not be there yet
    /// @param keeper takes its stopped domains over that are to stay while it boots again
    Guest(DomainImage image, Path dumps, StoppedBoot.Keeper keeper) {
        this(image.request(), image, dumps, SUSPEND_LIMIT, keeper);
    }

    private Guest(
            GuestRequest request,
            @Nullable DomainImage image,
            Path dumps,
            Duration suspendLimit,
            StoppedBoot.Keeper keeper) {
        this.image = image;
        this.request = request;
        this.dumps = dumps;
        this.suspendLimit = suspendLimit;
        this.keeper = keeper;
        this.stopped = null;
        this.inbox = new GuestInbox(request.config().name());
    }

    /// A guest that is preserved from its beginning: a domain of another guest, which gets its name.
    ///
    /// @param name no other guest has it
    /// @param dumps the folder for core dumps
    Guest(StoppedBoot stopped, String name, Path dumps) {
        this.request = stopped.request();
        this.dumps = dumps;
        this.suspendLimit = SUSPEND_LIMIT;
        this.keeper = _ -> false;
        this.stopped = stopped;
        this.image = null;
        this.inbox = new GuestInbox(name, stopped.boot().domain());
        stopped.boot().preserveAs(name, new Orders());
    }

    /// Its state, which may be another one when this returns.
    public GuestState state() {
        return inbox.state();
    }

    /// Lets [#run] begin the first boot. Does not wait.
    public void start() {
        DriverRequest _ = start(false);
    }

    /// Lets [#run] begin the first boot. Does not wait.
    ///
    /// @param paused whether the first domain begins paused
    /// @return done when the domain has been started; for [#await]
    DriverRequest start(boolean paused) {
        if (paused) {
            inbox.put(DriverRequest.of(DriverRequest.Kind.PAUSE));
        }
        DriverRequest start = DriverRequest.of(DriverRequest.Kind.START);
        inbox.put(start);
        return start;
    }

    /// Puts a request. Does not wait; a refused one has its answer when this returns.
    void put(DriverRequest request) {
        GuestRequests.Answer _ = inbox.put(request);
    }

    /// Asks the guest by XenStore to power off, if it can be asked now. Does not wait.
    ///
    /// @return false if the guest is between two boots, or has not been started, or is ending
    public boolean askToPowerOff() {
        return inbox.put(DriverRequest.of(DriverRequest.Kind.SHUT_DOWN))
                != GuestRequests.Answer.REFUSED;
    }

    /// Makes the next stop of its domain the guest's end, whatever its [EndActions] say. A preserved guest ends now.
    public void endAtStop() {
        inbox.endAtStop();
    }

    /// Ends the guest at once, whatever other requests it has; [#run] then returns.
    public void destroy() {
        inbox.destroy();
    }

    /// Runs the guest until it has ended for good and nothing is left of its domain. Makes the calling thread the
    /// guest's driver, so this is called once.
    ///
    /// @param console the host's end of its PV console, if any
    /// @param serial that of its serial port, if any
    /// @param deadline in `System.nanoTime()`, after which it is stopped; [#FOREVER] for none
    /// @throws BootException when a file is no kernel, or cannot be read, or does not fit, or the host has too little
    ///     memory
    public RunOutcome run(
            Hypervisor hypervisor,
            @Nullable HostConsole console,
            @Nullable HostConsole serial,
            long deadline)
            throws BootException {
        GuestDriver driver =
                new GuestDriver(
                        hypervisor,
                        request,
                        inbox,
                        new Orders(),
                        image,
                        dumps,
                        console,
                        serial,
                        suspendLimit,
                        keeper,
                        deadline);
        StoppedBoot preserved = stopped;
        return preserved == null ? driver.run() : driver.keep(preserved);
    }

    /// Waits for the answer to a request.
    ///
    /// @throws Refused if it was refused
    private static void await(DriverRequest request) throws Refused, InterruptedException {
        try {
            request.await();
        } catch (ExecutionException e) {
            throw failure(request, e);
        }
    }

    /// Waits a moment for the answer to a request.
    ///
    /// @return false if there is no answer yet
    /// @throws Refused if it was refused
    static boolean isAnswered(DriverRequest request) throws Refused, InterruptedException {
        try {
            return request.await(TOLD_EVERY);
        } catch (ExecutionException e) {
            throw failure(request, e);
        }
    }

    private static RuntimeException failure(DriverRequest request, ExecutionException e) {
        return switch (e.getCause()) {
            case RuntimeException cause -> cause;
            case Error cause -> throw cause;
            case null, default -> new IllegalStateException(request + " failed", e);
        };
    }

    /// Carries out an operator's orders for one of the guest's domains.
    private final class Orders implements DomainDriver {
        @Override
        public void order(DomId domain, DomainOrder order) throws Refused, InterruptedException {
            switch (order) {
                case DomainOrder.Plain.PAUSE -> carryOut(DriverRequest.Kind.PAUSE, domain);
                case DomainOrder.Plain.UNPAUSE -> carryOut(DriverRequest.Kind.UNPAUSE, domain);
                case DomainOrder.Plain.POWER_OFF -> ask(DriverRequest.Kind.SHUT_DOWN, domain);
                case DomainOrder.Plain.REBOOT -> ask(DriverRequest.Kind.REBOOT, domain);
                case DomainOrder.Plain.SUSPEND -> carryOut(DriverRequest.Kind.SUSPEND, domain);
                case DomainOrder.Plain.RESUME -> carryOut(DriverRequest.Kind.RESUME, domain);
                case DomainOrder.DumpCore dump -> dump(dump, domain);
                case DomainOrder.Save save -> save(save, domain);
            }
        }

        private void dump(DomainOrder.DumpCore order, DomId domain)
                throws Refused, InterruptedException {
            WorkProgress progress = new WorkProgress();
            DriverRequest.Dump dump = new DriverRequest.Dump(order.file(), order.live(), progress);
            follow(DriverRequest.of(dump, domain), progress, order.told());
        }

        private void save(DomainOrder.Save order, DomId domain)
                throws Refused, InterruptedException {
            WorkProgress progress = new WorkProgress();
            SaveParty alone = new SaveParty(1);
            DriverRequest.Save save =
                    new DriverRequest.Save(
                            order.place(), order.then(), order.suspend(), progress, alone);
            follow(DriverRequest.of(save, domain), progress, order.told());
            order.stoodStill().accept(alone.stoodStill());
        }

        /// Reports the progress of a request's work while waiting for it. Whoever stops waiting cancels the work.
        private void follow(
                DriverRequest request, WorkProgress progress, Consumer<WorkProgress> told)
                throws Refused, InterruptedException {
            inbox.put(request);
            boolean answered = false;
            try {
                while (!isAnswered(request)) {
                    told.accept(progress);
                }
                answered = true;
            } finally {
                if (!answered) {
                    progress.cancel();
                }
            }
        }

        @Override
        public void destroy() {
            Guest.this.destroy();
        }

        private void ask(DriverRequest.Kind kind, DomId domain)
                throws Refused, InterruptedException {
            try {
                carryOut(kind, domain);
            } catch (Refused e) {
                // The refusal does not matter if the guest is ending: soon nothing of it is left.
                if (!inbox.isDestroyed() && inbox.state() != GuestState.ENDED) {
                    throw e;
                }
            }
        }

        private void carryOut(DriverRequest.Kind kind, DomId domain)
                throws Refused, InterruptedException {
            DriverRequest order = DriverRequest.of(kind, domain);
            inbox.put(order);
            await(order);
        }
    }
}
