package io.xenemu.core.guest;

import com.google.common.collect.Sets;
import io.xenemu.core.backend.engine.EngineMap;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.boot.BootFiles;
import io.xenemu.core.device.GenerationId;
import io.xenemu.core.device.HostConsole;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.domain.DomainOrigin;
import io.xenemu.core.domain.HvmParams;
import io.xenemu.core.domain.ResumedDomain;
import io.xenemu.core.domain.ShutdownLatch;
import io.xenemu.core.domain.ShutdownReason;
import io.xenemu.core.domain.StuckException;
import io.xenemu.core.domain.XenState;
import io.xenemu.core.host.Teardown;
import io.xenemu.core.hypervisor.ConsoleChannel;
import io.xenemu.core.hypervisor.DomainDriver;
import io.xenemu.core.hypervisor.DomainEvent;
import io.xenemu.core.hypervisor.DomainOrder;
import io.xenemu.core.hypervisor.Hypervisor;
import io.xenemu.core.hypervisor.StoreChannel;
import io.xenemu.core.machine.AttachedDomain;
import io.xenemu.core.machine.DomainSource;
import io.xenemu.core.machine.ImportedDomain;
import io.xenemu.core.machine.SavedDomain;
import io.xenemu.core.machine.state.ClockPolicy;
import io.xenemu.core.toolstack.DevicesOverReboot;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.XenError;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One boot of a guest: its domain and devices, from when they are built until they are removed. For the guest's driver
/// alone.
final class GuestBoot {
    private static final Logger log = LoggerFactory.getLogger(GuestBoot.class);

    /// The reasons for which an operator or the guest itself ends a domain.
    private static final Set<ShutdownReason> ORDERLY =
            Sets.immutableEnumSet(
                    ShutdownReason.POWEROFF,
                    ShutdownReason.REBOOT,
                    ShutdownReason.DESTROYED,
                    ShutdownReason.SAVED);

    private final Hypervisor hypervisor;

    /// Whether it was restored.
    private final boolean isRestored;

    /// What its guest is to find that had suspended itself when it was saved; null for any other guest.
    private final @Nullable SuspendedState suspended;

    private final GuestDevices devices;
    private final Domain domain;

    /// Whether it was saved, and goes on elsewhere.
    private boolean leaves;

    /// Whether its guest comes from another hypervisor. It is connected as one that boots.
    private boolean isImported;

    /// Its name when it runs, while it comes from another host; null if it does not.
    private @Nullable String nameToBe;

    /// Whether it has come from another host or process, and noticed nothing.
    private boolean isMigrated;

    private GuestBoot(
            Hypervisor hypervisor,
            GuestDevices devices,
            Domain domain,
            @Nullable SavedGuest saved) {
        this.isRestored = saved != null;
        this.suspended = saved == null ? null : saved.suspended().orElse(null);
        this.hypervisor = hypervisor;
        this.devices = devices;
        this.domain = domain;
    }

    /// Builds the domain.
    ///
    /// @param orders takes an operator's orders for the domain
    /// @param console the host's end of the PV console, if any
    /// @param serial that of the serial port, if any
    /// @throws BootException when a file is no kernel, or cannot be read, or does not fit
    static GuestBoot build(
            Hypervisor hypervisor,
            GuestRequest request,
            DomainDriver orders,
            @Nullable HostConsole console,
            @Nullable HostConsole serial)
            throws BootException {
        GuestDevices devices =
                new GuestDevices(
                        request.platform(),
                        hypervisor.blacklist()::has,
                        null,
                        console,
                        serial,
                        null);
        try (BootFiles files = request.open()) {
            Domain domain =
                    hypervisor.create(
                            request.domid(),
                            request.config(),
                            files.kernel(),
                            files.modules(),
                            request.commandLine(),
                            devices::ports,
                            orders,
                            request.engines());
            return new GuestBoot(hypervisor, devices, domain, null);
        }
    }

    /// The memory that an operator last wanted the guest to have, in bytes. The guest keeps it over a reboot, as under
    /// xl.
    long memoryTarget() {
        DomainConfig config = domain.config();
        try {
            long target = hypervisor.memoryTargets().target(domain);
            if (target > 0 && target <= config.maxMemoryBytes()) {
                return target;
            }
            log.warn("{}: ignores a memory target of {} bytes in XenStore", domain, target);
        } catch (XenError e) {
            log.debug("{}: its target is not in XenStore: {}", domain, e.symbol());
        }
        return config.memoryBytes();
    }

    /// Builds the domain of a saved guest, connected to XenStore and its console as it was. It is not started.
    ///
    /// @param prepared what was made for the guest itself before its state had come
    /// @param clone the configuration of a clone, which has another name, UUID and id; null for the guest itself
    /// @param ram fills its RAM
    /// @param clock what happens to its clock
    /// @param orders takes an operator's orders for the domain
    /// @param console the host's end of the PV console, if any
    /// @param serial that of the serial port, if any
    /// @throws Refused if the domain's id is in use, or the state contradicts itself
    /// @throws BootException when the domain cannot be had on this host
    static GuestBoot restore(
            Hypervisor hypervisor,
            DomainSource.Prepared prepared,
            SavedGuest saved,
            @Nullable DomainConfig clone,
            DomainOrigin.RamContents ram,
            ClockPolicy clock,
            DomainDriver orders,
            @Nullable HostConsole console,
            @Nullable HostConsole serial)
            throws BootException, Refused {
        PlatformSettings platform =
                new PlatformSettings(saved.acpi().generation(), saved.rtc().offsetSeconds(), false);
        GuestDevices devices =
                new GuestDevices(
                        platform, hypervisor.blacklist()::has, null, console, serial, saved);
        EngineMap map = saved.engines().map();
        Domain domain =
                clone == null
                        ? hypervisor.restore(
                                from(saved.domain(), saved, ram, clock),
                                prepared,
                                devices::ports,
                                orders,
                                map)
                        : hypervisor.restoreAs(
                                clone.name(),
                                id -> from(saved.clone(id, clone), saved, ram, clock),
                                devices::ports,
                                orders,
                                map);
        GuestBoot restored = new GuestBoot(hypervisor, devices, domain, saved);
        try {
            RestoredConnections.make(hypervisor, domain, devices, saved);
            devices.attach();
            return restored;
        } catch (Refused | RuntimeException | Error e) {
            Teardown made = new Teardown();
            made.add(restored::remove);
            made.closeAfter(e);
            throw e;
        }
    }

    private static SavedDomain from(
            XenState state, SavedGuest saved, DomainOrigin.RamContents ram, ClockPolicy clock) {
        return new SavedDomain(new DomainOrigin.Saved(state, ram), saved.kvm(), clock);
    }

    /// Builds the domain of a guest that has suspended itself under another hypervisor. It is not started.
    ///
    /// @param platform of the guest
    /// @param imported gives the domain's parts, for its id
    /// @param orders takes an operator's orders for the domain
    /// @param console the host's end of the PV console, if any
    /// @param serial that of the serial port, if any
    /// @throws Refused if the state contradicts itself
    /// @throws BootException when the domain cannot be had on this host
    static GuestBoot resume(
            Hypervisor hypervisor,
            PlatformSettings platform,
            Function<DomId, ImportedDomain> imported,
            DomainDriver orders,
            @Nullable HostConsole console,
            @Nullable HostConsole serial)
            throws BootException, Refused {
        GuestDevices devices =
                new GuestDevices(
                        platform, hypervisor.blacklist()::has, null, console, serial, null);
        Domain domain = hypervisor.resume(imported, devices::ports, orders);
        // An image does not tell the width. A 32-bit guest has nothing where this one has its mask.
        ResumedDomain.maskPorts(domain, GuestWidth.BITS_64);
        GuestBoot boot = new GuestBoot(hypervisor, devices, domain, null);
        boot.isImported = true;
        return boot;
    }

    /// Builds the domain of a machine that an attached VMM has made. It is not started.
    ///
    /// @param id of the domain; null for the next one of the service's policy
    /// @param attached gives the domain's parts, for its id
    /// @param removal takes the mask of emulated devices that the guest wants removed
    /// @param orders takes an operator's orders for the domain
    /// @param console the host's end of the PV console, if any
    /// @throws BootException when the machine cannot be a domain
    static GuestBoot attach(
            Hypervisor hypervisor,
            GuestRequest request,
            @Nullable DomId id,
            Function<DomId, AttachedDomain> attached,
            IntConsumer removal,
            DomainDriver orders,
            @Nullable HostConsole console)
            throws BootException {
        GuestDevices devices =
                new GuestDevices(
                        request.platform(),
                        hypervisor.blacklist()::has,
                        removal,
                        console,
                        null,
                        null);
        Domain domain = hypervisor.attach(id, attached, devices::ports, orders, request.engines());
        return new GuestBoot(hypervisor, devices, domain, null);
    }

    Domain domain() {
        return domain;
    }

    /// Connects the domain to XenStore and its console, and gives it the devices that it had before a reboot. A
    /// restored domain has all that already, but for the devices of a guest that had suspended itself. It notices that
    /// it is a copy, if it has a VM generation id: a saved state may be restored any number of times.
    ///
    /// @param onlineVcpus how many of its vCPUs the guest is to use at first
    /// @return complete when the domain can be started: its root file system may be on one of the devices
    CompletableFuture<Void> connect(DevicesOverReboot kept, int onlineVcpus) {
        if (isRestored) {
            if (!isMigrated) {
                becomeCopy();
            }
            SuspendedState anew = suspended;
            return anew == null
                    ? CompletableFuture.completedFuture(null)
                    : RestoredConnections.remakeDevices(hypervisor, domain, anew);
        }
        StoreChannel store = hypervisor.introductions().channel(domain);
        ConsoleChannel channel = devices.connectConsole(domain, hypervisor.servicePorts());
        hypervisor.introductions().introduce(domain, onlineVcpus, store, channel);
        tellGeneration();
        devices.attach();
        return hypervisor.devices().reattach(domain, kept);
    }

    /// The domain comes from another host, which still has the guest: its name shows that until [#arrived].
    void incoming() {
        isMigrated = true;
        nameToBe = domain.config().name();
        hypervisor.call(domain, nameToBe + MigrationTarget.SUFFIX);
    }

    /// The domain is that of another process of this service: the guest notices nothing.
    void stays() {
        isMigrated = true;
    }

    /// The domain is this host's now.
    void arrived() {
        String name = nameToBe;
        if (name != null) {
            nameToBe = null;
            hypervisor.call(domain, name);
        }
    }

    /// What the guest, which has suspended itself, is to find when it goes on elsewhere.
    ///
    /// @throws Refused if one of its devices cannot be saved
    SuspendedState suspendedState() throws Refused {
        return new SuspendedState(
                onlineVcpus(domain.config().vcpus()),
                memoryTarget(),
                hypervisor.devices().specs(domain));
    }

    /// Whether the guest has PV drivers, which could suspend it: it has set a callback for events. That is libxl's test
    /// too (`libxl__domain_pvcontrol_available`). Linux writes `control/feature-suspend` at its start alone, so it is
    /// missing after a restore.
    boolean canSuspend() {
        return domain.params().get(HvmParams.CALLBACK_IRQ) != 0;
    }

    /// Resets the domain softly, and connects it again to XenStore, its console and its devices. Its guest has asked
    /// for it; [io.xenemu.core.domain.Suspension#endSoftReset] lets the guest go on.
    ///
    /// @return complete when the guest may go on
    /// @throws StuckException if a vCPU does not park in time, and then nothing has happened; or if requests to its
    ///     devices do not end in time: the kernel may still write to its memory
    CompletableFuture<Void> softReset() {
        domain.suspension().awaitSoftReset();
        int onlineVcpus = onlineVcpus(domain.config().vcpus());
        long memory = memoryTarget();
        DevicesOverReboot kept = keepDevices();
        if (!hypervisor.devices().hasLetGo(domain)) {
            throw new StuckException("requests to its devices do not end");
        }
        devices.disconnectConsole();
        hypervisor.introductions().disconnect(domain);
        domain.softReset();
        StoreChannel store = hypervisor.introductions().channel(domain);
        ConsoleChannel channel = devices.connectConsole(domain, hypervisor.servicePorts());
        hypervisor.introductions().introduceAgain(domain, onlineVcpus, memory, store, channel);
        tellGeneration();
        tell(DomainEvent.of(DomainEvent.Type.RESET, domain));
        log.info("{}: soft reset", domain);
        return hypervisor.devices().reattach(domain, kept);
    }

    /// Makes a restored guest notice that it is a copy, if it has a VM generation id: it gets a new one. Called before
    /// or after its start.
    void becomeCopy() {
        devices.platform().renewGeneration();
        tellGeneration();
    }

    /// Writes the guest's VM generation id to XenStore, if it has one.
    private void tellGeneration() {
        GenerationId id = devices.platform().generation();
        if (!id.exists()) {
            return;
        }
        try {
            hypervisor.controls().generationId(domain.id(), id.text());
        } catch (XenError e) {
            throw new IllegalStateException("XenStore refused the toolstack", e);
        }
    }

    /// The map of engines that the guest keeps over a reboot.
    EngineMap engines() {
        return hypervisor.engineMap(domain);
    }

    /// The platform for the guest's next boot.
    PlatformSettings platform() {
        return devices.platform().settings();
    }

    void start() {
        if (isRestored && suspended == null) {
            hypervisor.devices().resume(domain);
        }
        domain.start();
        tell(isRestored || isImported ? DomainEvent.Type.RESTORED : DomainEvent.Type.STARTED);
        log.info(
                "{}: {} with {} MiB and {} vCPUs",
                domain,
                isImported ? "imported" : isRestored ? "restored" : "started",
                domain.config().memoryBytes() >> 20,
                domain.config().vcpus());
    }

    /// Tells the readers of events that something has happened to the domain.
    void tell(DomainEvent.Type type) {
        tell(DomainEvent.of(type, domain));
    }

    /// The domain was saved, and its parts stand still for good: it goes on elsewhere.
    void leave() {
        leaves = true;
        saved(DomainOrder.Then.END);
        domain.shutdown(ShutdownReason.SAVED, "");
    }

    /// The domain was saved.
    void saved(DomainOrder.Then then) {
        tell(DomainEvent.saved(domain, then));
        log.info("{}: saved", domain);
    }

    /// Tells the readers of events.
    private void tell(DomainEvent event) {
        hypervisor.events().tell(event);
    }

    void pause() throws StuckException {
        domain.pause();
        tell(DomainEvent.of(DomainEvent.Type.PAUSED, domain));
    }

    void unpause() {
        if (domain.unpause()) {
            tell(DomainEvent.of(DomainEvent.Type.UNPAUSED, domain));
        }
    }

    /// The domain has suspended itself. XenStore's clients see that it does not run, as on Xen.
    void suspended() {
        hypervisor.xenstore().shutdown(domain.id());
        tell(DomainEvent.of(DomainEvent.Type.SUSPENDED, domain));
        log.info("{}: suspended", domain);
    }

    /// Cancels the suspend. The vCPUs go on first, and then XenStore is told, as in libxl: what fails first changes
    /// nothing in XenStore. A guest that suspends again at once is seen afterwards, by the driver's thread as well.
    ///
    /// Source: `libxl__domain_resume` of tools/libs/light/libxl_dom_suspend.c.
    ///
    /// @throws StuckException if a vCPU has not parked yet; the domain stays suspended
    /// @throws XenError an error of XenStore, which does not know the domain any more; the domain runs
    void resume() throws XenError {
        domain.suspension().cancel();
        tell(DomainEvent.of(DomainEvent.Type.RESUMED, domain));
        log.info("{}: resumed", domain);
        hypervisor.xenstore().resume(domain.id());
    }

    /// Asks the guest by XenStore to shut down.
    ///
    /// @param how a word of Linux's `control/shutdown`
    /// @throws XenError an error of XenStore
    void askToShutDown(String how) throws XenError {
        try {
            hypervisor.controls().shutDown(domain.id(), how);
        } catch (XenError e) {
            log.warn("{} cannot be asked to shut down: {}", domain, Refused.byXenStore(e).reason());
            throw e;
        }
    }

    /// Takes back the word that [#askToShutDown] has written, unless the guest has read it.
    ///
    /// @throws XenError an error of XenStore
    void withdraw(String how) throws XenError {
        hypervisor.controls().withdraw(domain.id(), how);
    }

    /// The guest's time is over.
    void timedOut() {
        hypervisor.xenstore().shutdown(domain.id());
        log.warn("{}: timeout", domain);
        devices.hurry();
    }

    /// Tells XenStore that the domain has stopped, and an operator why.
    void stopped(ShutdownLatch.Outcome outcome) {
        hypervisor.xenstore().shutdown(domain.id());
        tell(DomainEvent.stopped(domain, outcome));
        hypervisor.endMetrics().stopped(outcome.reason());
        String reason = outcome.reason().name().toLowerCase(Locale.ROOT).replace('_', ' ');
        String message = outcome.message().isEmpty() ? "" : ": " + outcome.message();
        if (ORDERLY.contains(outcome.reason()) && message.isEmpty()) {
            log.info("{}: {}", domain, reason);
        } else {
            log.warn("{}: {}{}", domain, reason, message);
        }
    }

    /// The domain stays as it has stopped.
    void preserved() {
        hypervisor.preserved(domain);
        tell(DomainEvent.of(DomainEvent.Type.PRESERVED, domain));
        log.info("{}: preserved until it is destroyed", domain);
    }

    /// The domain, whose vCPUs have ended, stays under another name. Its console is free for the next boot.
    ///
    /// @param name no other domain has it
    /// @param orders takes an operator's orders for the domain
    void preserveAs(String name, DomainDriver orders) {
        String before = domain.toString();
        devices.detach();
        try {
            hypervisor.preserveAs(domain, name, orders);
        } catch (XenError e) {
            log.warn("{}: XenStore keeps its former name: {}", domain, e.symbol());
        }
        tell(DomainEvent.of(DomainEvent.Type.PRESERVED, domain));
        log.info("{}: preserved as {} until it is destroyed", before, name);
    }

    /// The number of vCPUs that an operator last wanted the guest to use.
    ///
    /// @param otherwise the number if XenStore does not know it any more
    int onlineVcpus(int otherwise) {
        try {
            return hypervisor.controls().usedVcpus(domain.id(), domain.config().vcpus());
        } catch (XenError e) {
            log.debug("{}: its vCPUs are not in XenStore: {}", domain, e.symbol());
            return otherwise;
        }
    }

    /// Begins to take the devices that other domains serve from the domain, for the next boot.
    DevicesOverReboot keepDevices() {
        return hypervisor.devices().keep(domain);
    }

    /// Stops the domain if it still runs, and removes everything of it.
    void remove() {
        Teardown steps = new Teardown();
        steps.add(() -> hypervisor.destroy(domain));
        steps.add(leaves ? devices::abandon : devices::detach);
        // First: a guest that goes on printing would have its devices detached for ever.
        steps.add(() -> domain.stop(ShutdownReason.DESTROYED));
        steps.close();
    }
}
