package io.xenemu.core.domain;

import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.core.boot.AcpiTables;
import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.boot.MachineLayout;
import io.xenemu.core.delivery.EventFdThreads;
import io.xenemu.core.device.AcpiEvents;
import io.xenemu.core.device.DeviceMetrics;
import io.xenemu.core.memory.DomainMemory;
import io.xenemu.core.memory.DomainResources;
import io.xenemu.core.memory.SpecialPages;
import io.xenemu.core.timer.DomainTimers;
import io.xenemu.core.timer.Watchdogs;
import io.xenemu.core.vm.VmPort;
import io.xenemu.evtchn.EventChannelMetrics;
import io.xenemu.evtchn.EventChannels;
import io.xenemu.evtchn.EventEnvironment;
import io.xenemu.evtchn.EvtchnOptions;
import io.xenemu.gnttab.GrantTable;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.ioctl.XenCapability;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// One guest: its VM, memory, vCPUs, and its part of each module.
public final class Domain implements AutoCloseable {
    private final DomId id;
    private volatile DomainConfig config;
    private final DomainEnvironment environment;
    private final VmPort vm;
    private final Set<XenCapability> capabilities;
    private final Optional<MachineLayout> layout;
    private final GuestMemoryMap memoryMap;
    private final ReportedMemoryMap reportedMemoryMap;
    private final List<Vcpu> vcpus = new ArrayList<>();
    private final Quiescence quiescence = new Quiescence(vcpus, Quiescence.LIMIT);
    private final PauseCount pauses = new PauseCount(quiescence);
    private final Suspension suspension = new Suspension(quiescence);
    private final Parts parts =
            new Parts(
                    new OwnPart(
                            "vcpus",
                            quiescence::hold,
                            quiescence::release,
                            OwnPart.NEVER,
                            () -> DomainParts.areas(this),
                            () -> stop(ShutdownReason.DESTROYED)));
    private final DomainEnd end = new DomainEnd(vcpus);
    private final EventFdThreads threads = new EventFdThreads(this::failed);
    private final HvmParams params = new HvmParams(this::crash);

    /// Sees events beside hypercalls, or null. Another thread sets it.
    private volatile @Nullable DomainObserver observer;

    private final Instant began = Instant.now();

    private final SharedInfo sharedInfo = new SharedInfo(this);

    private final DomainPages pages;
    private final DeviceMetrics deviceMetrics;
    private final EventDelivery delivery;
    private final EventChannels eventChannels;
    private final MessageInterrupts messageInterrupts;
    private final RemoteLines remoteLines;
    private final DomainTimers timers;
    private final Watchdogs watchdogs;
    private final InterruptLines interruptLines;
    private final AcpiEvents acpiEvents;

    /// Builds a new domain without vCPUs, as [#Domain(DomainOrigin, GuestMemoryMap, VmPort, Set, DomainEnvironment)].
    public Domain(
            DomId id,
            DomainConfig config,
            GuestMemoryMap memoryMap,
            VmPort vm,
            Set<XenCapability> capabilities,
            DomainEnvironment environment) {
        this(new DomainOrigin.Boot(id, config), memoryMap, vm, capabilities, environment);
    }

    /// Builds a domain without vCPUs. The caller adds those with [#add(Vcpu)], and calls [#restored] for a saved
    /// domain. Takes over `vm`, even if it fails.
    ///
    /// @throws IllegalArgumentException if a saved state contradicts itself
    public Domain(
            DomainOrigin origin,
            GuestMemoryMap memoryMap,
            VmPort vm,
            Set<XenCapability> capabilities,
            DomainEnvironment environment) {
        this.id = origin.id();
        this.config = origin.config();
        this.layout = origin.layout();
        this.memoryMap = memoryMap;
        this.reportedMemoryMap = new ReportedMemoryMap(memoryMap);
        this.vm = vm;
        this.capabilities = capabilities;
        this.environment = environment;
        this.timers = new DomainTimers(id.toString(), e -> failed("the timers of " + id, e));
        this.watchdogs = new Watchdogs(timers, this::watchdogExpired);
        MeterRegistry registry = environment.registry();
        try {
            pages = new DomainPages(origin, memoryMap, vm, environment);
            parts.add(
                    new OwnPart(
                            "memory",
                            OwnPart.NOTHING,
                            OwnPart.NOTHING,
                            _ -> pages.memoryBlocker(),
                            pages::saveMemory,
                            pages::close));
            parts.add(new DomainParts.Grants(pages));
            parts.add(OwnPart.passive("vm", DomainParts.derivedFrom("the other parts"), vm::close));
            deviceMetrics = new DeviceMetrics(registry, id);
            alsoClose("device meters", deviceMetrics::close);
            deviceMetrics.addThrottled(threads.pauses());
            parts.add(new DomainParts.EventFds(threads));
            delivery = new EventDelivery(vm, this, config.vcpus());
            parts.add(
                    OwnPart.passive("upcalls", () -> DomainParts.delivery(this), delivery::close));
            EventChannelMetrics eventMetrics = new EventChannelMetrics(registry, id);
            alsoClose("event channel meters", eventMetrics::close);
            KvmKernelPorts kernelPorts = new KvmKernelPorts(vm, this);
            eventChannels = newEventChannels(origin, kernelPorts, eventMetrics);
            parts.add(
                    new OwnPart(
                            "evtchn",
                            OwnPart.NOTHING,
                            OwnPart.NOTHING,
                            scope -> DomainParts.foreignChannel(this, scope),
                            () -> DomainParts.events(this),
                            eventChannels::destroy));
            InterruptLines lines = new InterruptLines(eventChannels.pirqs(), vm);
            interruptLines = lines;
            acpiEvents = new AcpiEvents(up -> lines.set(AcpiTables.EVENT_GSI, up));
            messageInterrupts = kernelPorts.messages();
            parts.add(
                    new OwnPart(
                            "messages",
                            OwnPart.NOTHING,
                            OwnPart.NOTHING,
                            _ -> messageInterrupts.blocker(),
                            DomainParts.derivedFrom("evtchn"),
                            messageInterrupts::close));
            remoteLines = kernelPorts.remoteLines();
            deviceMetrics.add(remoteLines.counters());
            parts.add(
                    new OwnPart(
                            "remote lines",
                            OwnPart.NOTHING,
                            OwnPart.NOTHING,
                            _ -> remoteLines.blocker(),
                            DomainParts.derivedFrom("evtchn"),
                            remoteLines::close));
            parts.add(OwnPart.passive("params", () -> DomainParts.params(this)));
            parts.add(OwnPart.passive("shared_info", () -> DomainParts.sharedInfo(this)));
            parts.add(OwnPart.passive("layout", () -> DomainParts.layout(layout)));
            parts.add(
                    OwnPart.blocking(
                            "memory map",
                            reportedMemoryMap::blocker,
                            DomainParts.derivedFrom("domain")));
            parts.add(
                    OwnPart.blocking(
                            "domain",
                            scope -> DomainParts.shutdown(this, scope),
                            () -> DomainParts.identity(this)));
            GuestWidth width = sharedInfo.width();
            if (origin instanceof DomainOrigin.Saved saved) {
                params.restore(saved.state().params());
                width = saved.state().sharedInfo().width();
            }
            eventChannels.setSharedInfo(sharedInfo.page(), width);
            parts.add(new TimersPart(vcpus, timers));
            parts.add(
                    new OwnPart(
                            "watchdogs",
                            watchdogs::hold,
                            watchdogs::release,
                            OwnPart.NEVER,
                            () -> DomainParts.watchdogs(this),
                            OwnPart.NOTHING));
        } catch (RuntimeException | Error e) {
            parts.closeAfter(e);
            vm.close();
            throw e;
        }
    }

    private EventChannels newEventChannels(
            DomainOrigin origin, KvmKernelPorts kernelPorts, EventChannelMetrics metrics) {
        EvtchnOptions options = config.events().options(config.vcpus());
        EventEnvironment channels =
                new EventEnvironment(
                        environment.domains(),
                        kernelPorts,
                        delivery,
                        new NamedPages(memory()),
                        environment.ports(),
                        e -> failed("the event channels of " + id, e));
        return origin instanceof DomainOrigin.Saved saved
                ? EventChannels.restore(saved.state().events(), options, channels, metrics)
                : new EventChannels(id, options, channels, metrics);
    }

    /// Completes a domain that was made from [DomainOrigin.Saved], when it has its vCPUs.
    ///
    /// @throws IllegalArgumentException if the state contradicts itself
    public void restored(XenState state) {
        DomainRestore.run(this, state);
    }

    /// Lets `events` observe what happens from now on beside hypercalls. Any thread may call this.
    ///
    /// @param events null to observe nothing
    public void observe(@Nullable DomainObserver events) {
        observer = events;
        grantTable().observe(events == null ? null : new ObservedGrants(events));
    }

    /// The observer of events beside hypercalls; null if there is none. Costs one volatile read.
    public @Nullable DomainObserver observer() {
        return observer;
    }

    /// Adds a vCPU; their numbers are in order.
    public void add(Vcpu vcpu) {
        vcpus.add(vcpu);
    }

    /// Adds a part, above those that it has and below the vCPUs. It is closed with the domain.
    public void add(Part part) {
        parts.add(part);
    }

    /// Adds meters, which are closed with the domain. They start again after a restore.
    ///
    /// @param name of the part; unique
    public void alsoClose(String name, Runnable close) {
        parts.add(OwnPart.passive(name, () -> new PartState.Nothing("meters start again"), close));
    }

    /// Its parts.
    public Parts parts() {
        return parts;
    }

    /// The domain's id.
    public DomId id() {
        return id;
    }

    /// When it was built here.
    public Instant began() {
        return began;
    }

    /// The configuration it was built from, but for a new name.
    public DomainConfig config() {
        return config;
    }

    /// Gives a stopped domain another name and UUID. Two domains of a service do not have one name.
    public void rename(String name) {
        config = config.sibling(name);
    }

    /// Gives it another name for a while. It stays the same guest.
    public void call(String name) {
        config = config.called(name, config.uuid());
    }

    /// Its physical address map.
    public GuestMemoryMap memoryMap() {
        return memoryMap;
    }

    /// The layout of its machine if another hypervisor has built it; empty for one of our own.
    public Optional<MachineLayout> layout() {
        return layout;
    }

    /// The id of a vCPU's local APIC, which is KVM's number of the vCPU too.
    int apicId(VcpuId vcpu) {
        return vcpu.value() * layout.map(MachineLayout::apicIdStep).orElse(1);
    }

    /// The memory map that its guest reads.
    public ReportedMemoryMap reportedMemoryMap() {
        return reportedMemoryMap;
    }

    /// Its memory.
    public DomainMemory memory() {
        return pages.memory();
    }

    /// Its pages as a guest changes them.
    public DomainPages pages() {
        return pages;
    }

    /// Its shared_info.
    public SharedInfo sharedInfo() {
        return sharedInfo;
    }

    /// The pages that it shares with the service.
    public SpecialPages special() {
        return pages.special();
    }

    /// Its HVM parameters.
    public HvmParams params() {
        return params;
    }

    /// Its event channels.
    public EventChannels eventChannels() {
        return eventChannels;
    }

    /// Its devices' interrupt lines.
    public InterruptLines interruptLines() {
        return interruptLines;
    }

    /// Its devices' messages that it receives as events.
    public MessageInterrupts messageInterrupts() {
        return messageInterrupts;
    }

    /// Its interrupt lines that processes of remote devices hold.
    public RemoteLines remoteLines() {
        return remoteLines;
    }

    /// Its grant table.
    public GrantTable grantTable() {
        return pages.grantTable();
    }

    /// The announcement of events to its vCPUs.
    public EventDelivery delivery() {
        return delivery;
    }

    /// Its vCPUs by number.
    public List<Vcpu> vcpus() {
        return Collections.unmodifiableList(vcpus);
    }

    /// The features of the Xen support that its VM has.
    public Set<XenCapability> capabilities() {
        return capabilities;
    }

    /// The threads that serve its eventfds.
    EventFdThreads threads() {
        return threads;
    }

    /// Its share of the process's resources.
    public DomainResources resources() {
        return pages.resources();
    }

    DomainTimers timers() {
        return timers;
    }

    /// Its watchdogs.
    public Watchdogs watchdogs() {
        return watchdogs;
    }

    /// The events that its ACPI tables describe: buttons and the like.
    public AcpiEvents acpiEvents() {
        return acpiEvents;
    }

    /// Its VM.
    public VmPort vm() {
        return vm;
    }

    /// The meters of its devices.
    public DeviceMetrics deviceMetrics() {
        return deviceMetrics;
    }

    /// The vCPU that a guest named.
    ///
    /// @param number the hypercall's argument, zero-extended
    /// @throws XenError ENOENT if the domain has no such vCPU
    public Vcpu vcpu(long number) throws XenError {
        if (number < 0 || number >= vcpus.size()) {
            throw XenError.ENOENT;
        }
        return vcpus.get(Math.toIntExact(number));
    }

    /// Checks a domain id argument of an operation that a guest may perform only on itself.
    ///
    /// @throws XenError ESRCH no such domain; EPERM it is another domain
    public void requireSelf(int domid) throws XenError {
        if (domid == id.value() || domid == DomId.SELF.value()) {
            return;
        }
        throw forbidden(domid);
    }

    /// The error with which Xen refuses an operation on a domain that the guest does not control.
    ///
    /// @return ESRCH if there is no such domain, else EPERM
    public XenError forbidden(int domid) {
        boolean exists =
                domid == DomId.SELF.value() || environment.domains().find(new DomId(domid)) != null;
        return exists ? XenError.EPERM : XenError.ESRCH;
    }

    /// Starts the vCPUs.
    public void start() {
        // vCPU 0 starts last: until a vCPU has started, other threads make its calls themselves.
        vcpus.reversed().forEach(Vcpu::start);
    }

    /// Keeps the domain from running until each pause has been undone. When it returns, every vCPU is parked: see
    /// [Quiescence].
    ///
    /// @throws StuckException if a vCPU does not park in time; then the domain goes on as before
    public void pause() {
        pauses.pause();
    }

    /// Undoes one [#pause].
    ///
    /// @return false if it was not paused
    public boolean unpause() {
        return pauses.unpause();
    }

    /// The number of pauses that have not been undone.
    public int pauses() {
        return pauses.count();
    }

    /// Whether it is paused.
    public boolean isPaused() {
        return pauses.count() != 0;
    }

    /// Whether anything keeps its vCPUs from running: a pause, a save, or a suspend.
    public boolean isHeld() {
        return quiescence.isHeld();
    }

    /// Keeps its vCPUs from running for a moment. Holds nest, and are not seen as pauses.
    ///
    /// @throws StuckException if a vCPU does not park in time; then this hold holds nothing
    public void hold() {
        quiescence.hold();
    }

    /// Undoes one [#hold].
    public void release() {
        quiescence.release();
    }

    /// Its suspend, or its soft reset, by the guest.
    public Suspension suspension() {
        return suspension;
    }

    /// Stops the domain for `reason`, unless it has been stopped already. Does not wait for the vCPUs.
    ///
    /// @param message explains it to an operator; may be empty
    public void shutdown(ShutdownReason reason, String message) {
        boolean _ = end.stop(reason, message);
    }

    /// Resets the domain after [Suspension#awaitSoftReset]: see [SoftReset]. The store and the console are
    /// disconnected.
    public void softReset() {
        SoftReset.run(this);
    }

    /// Sets the reason of a later shutdown, which that shutdown cannot change (SCHEDOP_shutdown_code). Only the first
    /// call has an effect.
    ///
    /// @param code 0 to 255
    public void announceShutdown(int code) {
        end.announce(code);
    }

    /// The code of a shutdown: the announced code if there is one, else the code in the guest's call. An announcement
    /// is used once.
    ///
    /// @param said the code in the guest's call, 0 to 255
    public int shutdownCode(int said) {
        return end.takeAnnounced(said);
    }

    /// An expired watchdog does not end a domain that has shut down, as on Xen (`domain_watchdog_timeout`).
    private void watchdogExpired() {
        if (!suspension.isHeld()) {
            shutdown(ShutdownReason.WATCHDOG, "watchdog expired");
        }
    }

    /// Stops the domain, and waits until its vCPUs do nothing any more.
    public void stop(ShutdownReason reason) {
        shutdown(reason, "");
        vcpus.forEach(Vcpu::join);
    }

    /// Stops the domain because it cannot go on, like Xen's `domain_crash`.
    public void crash(String message) {
        shutdown(ShutdownReason.CRASH, message);
    }

    /// Stops the domain after a failure of one of its threads, or of another thread's work for it. A failed call to
    /// the host, or lack of memory in the JVM, is the host's fault; anything else is our bug. The calling thread goes
    /// on. Never waits; any locks may be held.
    ///
    /// @param who names the thread that failed, or the part of the domain for which it worked
    public void failed(Object who, Throwable failure) {
        end.failed(who, failure);
    }

    /// The latch with the time and reason of the domain's stop.
    public ShutdownLatch shutdownLatch() {
        return end.latch();
    }

    /// Ends the domain: stops the vCPUs, closes every event channel, frees the VM and its memory. The memory is freed
    /// even if KVM fails first.
    @Override
    public void close() {
        parts.close();
    }

    @Override
    public String toString() {
        return id + " (" + config.name() + ")";
    }
}
