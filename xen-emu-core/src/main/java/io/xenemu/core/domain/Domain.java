package io.xenemu.core.domain;

import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.delivery.EventFdThreads;
import io.xenemu.core.device.DeviceMetrics;
import io.xenemu.core.host.Teardown;
import io.xenemu.core.memory.DeadMemory;
import io.xenemu.core.memory.DomainFrames;
import io.xenemu.core.memory.DomainMemory;
import io.xenemu.core.memory.DomainPhysmap;
import io.xenemu.core.memory.DomainResources;
import io.xenemu.core.memory.SpecialPages;
import io.xenemu.core.timer.DomainTimers;
import io.xenemu.core.vm.VmPort;
import io.xenemu.evtchn.EventChannelMetrics;
import io.xenemu.evtchn.EventChannels;
import io.xenemu.evtchn.EventEnvironment;
import io.xenemu.gnttab.GrantEnvironment;
import io.xenemu.gnttab.GrantRef;
import io.xenemu.gnttab.GrantTable;
import io.xenemu.gnttab.GrantTableMetrics;
import io.xenemu.gnttab.TableFrame;
import io.xenemu.gnttab.TablePages;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.ioctl.XenCapability;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.LongPredicate;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One guest: its VM, memory, vCPUs, and its part of each module.
public final class Domain implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(Domain.class);

    private final DomId id;
    private final DomainConfig config;
    private final DomainEnvironment environment;
    private final VmPort vm;
    private final Set<XenCapability> capabilities;
    private final GuestMemoryMap memoryMap;
    private final SpecialPages special;
    private final DomainMemory memory;
    private final HvmParams params = new HvmParams(this::crash);
    private final DomainTimers timers;
    private final Teardown teardown = new Teardown();

    /// Closes the memory, which others may still use when the domain is gone.
    private final Teardown pages = new Teardown();

    private final ShutdownLatch shutdown = new ShutdownLatch();
    private final EventFdThreads threads = new EventFdThreads(this::failed);

    /// Held while a thread stops the vCPUs, so that they are not closed meanwhile.
    private final Object stopping = new Object();

    /// Whether a failure after the domain's stop has been logged. One is enough, since peers can cause many.
    private final AtomicBoolean failedLater = new AtomicBoolean();

    private final EventDelivery delivery;
    private final EventChannels eventChannels;
    private final MessageInterrupts messageInterrupts;
    private final DomainResources resources;
    private final DomainFrames frames;
    private final GrantTable grantTable;

    /// Whether other domains use one of the domain's pages.
    private final LongPredicate inUse = this::isInUse;

    /// Whether the grant table exists, so that other domains may use pages.
    private boolean granting;

    private final DeviceMetrics deviceMetrics;
    private final List<Vcpu> vcpus = new ArrayList<>();

    /// Held while shared_info moves or changes its layout, so that KVM and the modules end with the same state. A
    /// thread that holds it never waits for a vCPU.
    private final Object sharedInfoChange = new Object();

    private final Quiescence quiescence = new Quiescence(vcpus, Quiescence.LIMIT);
    private final PauseCount pauses = new PauseCount(quiescence);

    /// The width as `DomainBuilder` has told KVM. Changed under [#sharedInfoChange].
    private volatile GuestWidth latchedWidth = GuestWidth.BITS_64;

    private volatile boolean sharedInfoMapped;
    private volatile long sharedInfoGfn;

    /// Builds a domain without vCPUs; `DomainBuilder` adds those. Takes over `vm`, even if it fails.
    public Domain(
            DomId id,
            DomainConfig config,
            GuestMemoryMap memoryMap,
            VmPort vm,
            Set<XenCapability> capabilities,
            DomainEnvironment environment) {
        this.id = id;
        this.config = config;
        this.memoryMap = memoryMap;
        this.vm = vm;
        this.capabilities = capabilities;
        this.environment = environment;
        this.timers = new DomainTimers(id.toString(), e -> failed("the timers of " + id, e));
        MeterRegistry registry = environment.registry();
        try {
            teardown.add(this::freePages);
            int specialPages =
                    SpecialPages.grantFrame(config.grants().maxGrantFrames())
                            + config.grants().maxStatusFrames();
            resources = DomainResources.open(environment.resources(), config.vcpus(), specialPages);
            pages.add(resources::close);
            teardown.add(resources.register(registry, id));
            special =
                    new SpecialPages(
                            "xen-special-" + config.name(),
                            config.grants().maxGrantFrames(),
                            config.grants().maxStatusFrames());
            pages.add(special::close);
            memory =
                    new DomainMemory(
                            vm,
                            config.name(),
                            memoryMap,
                            special,
                            resources.mappings(),
                            environment.resources().holes());
            frames = new DomainFrames(memory, environment.resources());
            pages.add(frames::freed);
            pages.add(memory::close);
            grantTable = newGrantTable();
            granting = true;
            teardown.add(vm::close);
            deviceMetrics = new DeviceMetrics(registry, id);
            teardown.add(deviceMetrics::close);
            deviceMetrics.addThrottled(threads.pauses());
            teardown.add(threads::close);
            delivery = new EventDelivery(vm, this, config.vcpus());
            teardown.add(delivery::close);
            EventChannelMetrics eventMetrics = new EventChannelMetrics(registry, id);
            teardown.add(eventMetrics::close);
            KvmKernelPorts kernelPorts = new KvmKernelPorts(vm, this);
            eventChannels =
                    new EventChannels(
                            id,
                            config.events().options(config.vcpus()),
                            new EventEnvironment(
                                    environment.domains(),
                                    kernelPorts,
                                    delivery,
                                    memory::page,
                                    environment.ports(),
                                    e -> failed("the event channels of " + id, e)),
                            eventMetrics);
            teardown.add(eventChannels::destroy);
            messageInterrupts = kernelPorts.messages();
            teardown.add(messageInterrupts::close);
            eventChannels.setSharedInfo(sharedInfo(), latchedWidth);
            teardown.add(timers::close);
        } catch (RuntimeException | Error e) {
            teardown.closeAfter(e);
            vm.close();
            throw e;
        }
    }

    private GrantTable newGrantTable() {
        GrantEnvironment grants =
                new GrantEnvironment(
                        environment.grants(), new GrantPages(), frames, new DomainPhysmap(memory));
        GrantTable table =
                new GrantTable(
                        id,
                        config.grants(),
                        grants,
                        new GrantTableMetrics(environment.registry(), id));
        table.seed(GrantRef.CONSOLE, DomId.DOM0, GuestMemoryMap.CONSOLE_GFN);
        table.seed(GrantRef.XENSTORE, DomId.DOM0, GuestMemoryMap.XENSTORE_GFN);
        return table;
    }

    /// Frees the domain's memory, except pages that other domains use: those are freed with their last use. Ends the
    /// domain's own use of other domains' pages.
    private void freePages() {
        if (granting) {
            memory.endGuest();
            resources.guestEnded();
            Thread ending = Thread.currentThread();
            Teardown remains = pages;
            DeadMemory dead = environment.resources().deadMemory();
            grantTable.destroy(() -> {
                if (Thread.currentThread().equals(ending)) {
                    remains.close();
                } else {
                    dead.later(remains::close);
                }
            });
        } else {
            pages.close();
        }
    }

    private final class GrantPages implements TablePages {
        @Override
        public MemorySegment grantFrame(int index) {
            return special.page(SpecialPages.grantFrame(index));
        }

        @Override
        public MemorySegment statusFrame(int index) {
            return special.page(special.statusFrame(index));
        }

        @Override
        public void removeStatusFrames() {
            for (int i = 0; i < config.grants().maxStatusFrames(); i++) {
                memory.hide(special.statusFrame(i));
            }
        }
    }

    public void add(Vcpu vcpu) {
        vcpus.add(vcpu);
    }

    /// Adds a step to the domain's end, which runs before those added earlier, when no vCPU runs any more. Only while
    /// the domain is built.
    public void alsoClose(Runnable step) {
        teardown.add(step);
    }

    /// The domain's id.
    public DomId id() {
        return id;
    }

    /// The configuration it was built from.
    public DomainConfig config() {
        return config;
    }

    /// Its physical address map.
    public GuestMemoryMap memoryMap() {
        return memoryMap;
    }

    /// Its memory.
    public DomainMemory memory() {
        return memory;
    }

    /// The pages that it shares with the service.
    public SpecialPages special() {
        return special;
    }

    /// Its HVM parameters.
    public HvmParams params() {
        return params;
    }

    /// Its event channels.
    public EventChannels eventChannels() {
        return eventChannels;
    }

    /// Its devices' messages that it receives as events.
    public MessageInterrupts messageInterrupts() {
        return messageInterrupts;
    }

    /// Its grant table.
    public GrantTable grantTable() {
        return grantTable;
    }

    /// The announcement of events to its vCPUs.
    public EventDelivery delivery() {
        return delivery;
    }

    /// Its vCPUs by number.
    public List<Vcpu> vcpus() {
        return Collections.unmodifiableList(vcpus);
    }

    Set<XenCapability> capabilities() {
        return capabilities;
    }

    /// The threads that serve its eventfds.
    EventFdThreads threads() {
        return threads;
    }

    /// Its share of the process's resources.
    DomainResources resources() {
        return resources;
    }

    DomainTimers timers() {
        return timers;
    }

    /// Its VM.
    public VmPort vm() {
        return vm;
    }

    /// The meters of its devices.
    public DeviceMetrics deviceMetrics() {
        return deviceMetrics;
    }

    boolean sharedInfoMapped() {
        return sharedInfoMapped;
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

    /// Changes the width of the guest's shared structures, as Xen's `hvm_latch_shinfo_size`: only
    /// HVM_PARAM_CALLBACK_IRQ and the hypercall MSR do so. Only this method changes it, here and in KVM, which writes
    /// the wall clock each time.
    ///
    /// KVM has fewer ports for a 32-bit domain, and refuses calls that name another port. So the others leave its
    /// table first.
    public void latchWidth(GuestWidth width) {
        synchronized (sharedInfoChange) {
            if (width == GuestWidth.BITS_32) {
                eventChannels.narrowKernelPorts(width);
            }
            vm.longMode(width == GuestWidth.BITS_64);
            latchedWidth = width;
            eventChannels.setSharedInfo(sharedInfo(), width);
        }
    }

    /// The width of the guest's shared structures: shared_info, vcpu_info and runstate areas.
    public GuestWidth latchedWidth() {
        return latchedWidth;
    }

    /// XENMAPSPACE_shared_info: shows the page at `gfn`, tells KVM, and sets each vCPU's place in it. The page keeps
    /// its layout.
    ///
    /// @throws XenError EINVAL for an index other than 0 or an impossible frame
    public void mapSharedInfo(long index, long gfn) throws XenError {
        if (index != 0) {
            throw XenError.EINVAL;
        }
        synchronized (sharedInfoChange) {
            memory.overlay(SpecialPages.SHARED_INFO, gfn);
            if (capabilities.contains(XenCapability.SHARED_INFO_HVA)) {
                vm.sharedInfoHva(sharedInfo());
            } else {
                vm.sharedInfoGfn(gfn);
            }
            sharedInfoGfn = gfn;
            sharedInfoMapped = true;
        }
        for (Vcpu vcpu : vcpus) {
            vcpu.areas().useSharedInfo(sharedInfo(), () -> sharedInfoGfn);
        }
    }

    /// XENMAPSPACE_grant_table: shows a frame of the grant table at `gfn`, and grows the table to include it.
    ///
    /// @param index all 64 bits of `idx`
    /// @throws XenError EINVAL beyond the table's limit, for an impossible frame, or for a status frame that another
    ///     vCPU removes by changing the version
    public void mapGrantFrame(long index, long gfn) throws XenError {
        TableFrame frame = grantTable.frame(index);
        int page =
                frame.isStatus()
                        ? special.statusFrame(frame.index())
                        : SpecialPages.grantFrame(frame.index());
        memory.overlay(page, gfn);
        // Another vCPU may have changed to version 1 meanwhile, and found no frame to remove.
        if (frame.isStatus() && frame.index() >= grantTable.statusFrames()) {
            memory.hide(page);
            throw XenError.EINVAL;
        }
    }

    /// The guest frame of grant frame `index`, or -1.
    public long grantFrameGfn(int index) {
        return memory.overlayOf(SpecialPages.grantFrame(index));
    }

    /// XENMEM_decrease_reservation: takes pages from the guest. Pages that others use through grants stay for them,
    /// as the frames do on Xen until they are freed.
    ///
    /// @return false if a page is missing; those before it have been taken
    public boolean decreaseReservation(long gfn, int count) {
        return memory.decrease(gfn, count, inUse);
    }

    /// XENMEM_populate_physmap: puts zeroed pages into the guest's RAM.
    ///
    /// @return false if that is not possible; then nothing has happened
    public boolean populatePhysmap(long gfn, int count) {
        return memory.populate(gfn, count, inUse);
    }

    /// XENMEM_increase_reservation: lets the domain own more pages.
    ///
    /// @return false if it may not own that many
    public boolean increaseReservation(int count) {
        return memory.increase(count);
    }

    private boolean isInUse(long page) {
        return grantTable.isPinned(frames.mfnOf(page));
    }

    /// XENMEM_remove_from_physmap.
    ///
    /// @throws XenError ENOENT if neither a page of the domain's nor of Xen's is at `gfn`
    public void removeFromPhysmap(long gfn) throws XenError {
        if (!memory.removeAt(gfn, inUse)) {
            throw XenError.ENOENT;
        }
    }

    /// VMASST_TYPE_runstate_update_flag.
    public void setRunstateUpdateFlag(boolean enable) {
        if (capabilities.contains(XenCapability.RUNSTATE_UPDATE_FLAG)) {
            vm.runstateUpdateFlag(enable);
        }
    }

    /// Sends one edge on an interrupt line: as an event if the guest has routed the line over an event channel, else
    /// to the PIC and the I/O APIC.
    public void pulseIrq(int gsi) {
        boolean isEvent = eventChannels.pirqs().setGsi(gsi, true);
        eventChannels.pirqs().setGsi(gsi, false);
        if (!isEvent) {
            vm.irqLine(gsi, true);
            vm.irqLine(gsi, false);
        }
    }

    private MemorySegment sharedInfo() {
        return special.page(SpecialPages.SHARED_INFO);
    }

    /// Starts the vCPUs.
    public void start() {
        // vCPU 0 starts last: until a vCPU has started, other threads make its calls themselves.
        vcpus.reversed().forEach(Vcpu::start);
    }

    /// Keeps the domain from running until each pause has been undone. When it returns, every vCPU is parked: see
    /// [Quiescence].
    ///
    /// @throws VcpuStuckException if a vCPU does not park in time; then the domain goes on as before
    public void pause() {
        pauses.pause();
    }

    /// Undoes one [#pause].
    ///
    /// @return false if it was not paused
    public boolean unpause() {
        return pauses.unpause();
    }

    /// Whether it is paused.
    public boolean isPaused() {
        return pauses.count() != 0;
    }

    /// Stops the domain for `reason`, unless it has been stopped already. Does not wait for the vCPUs.
    ///
    /// @param message explains it to an operator; may be empty
    public void shutdown(ShutdownReason reason, String message) {
        boolean _ = stop(reason, message);
    }

    /// Any thread may call this: an operator's, or one that serves another domain.
    private boolean stop(ShutdownReason reason, String message) {
        synchronized (stopping) {
            if (!shutdown.set(reason, message)) {
                return false;
            }
            vcpus.forEach(Vcpu::stop);
            return true;
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
    /// @param who the thread, or the part of the domain for which it worked
    public void failed(Object who, Throwable failure) {
        // The domain is stopped first: without memory, logging the failure may fail as well.
        boolean stopped;
        if (failure instanceof KvmException e) {
            stopped = stop(ShutdownReason.HOST_ERROR, who + ": " + e.getMessage());
        } else if (failure instanceof VirtualMachineError) {
            stopped = stop(ShutdownReason.HOST_ERROR, failure.toString());
        } else {
            stopped = stop(ShutdownReason.CRASH, who + ": internal error: " + failure);
        }
        if (!stopped && !failedLater.compareAndSet(false, true)) {
            log.debug("{} failed again", who, failure);
        } else if (failure instanceof VirtualMachineError) {
            log.error("{} failed", who, failure);
        } else if (!(failure instanceof KvmException)) {
            log.error("{} failed: this is a bug", who, failure);
        } else if (!stopped) {
            log.warn("{} failed when the domain had stopped: {}", who, failure.getMessage());
        }
    }

    /// The latch with the time and reason of the domain's stop.
    public ShutdownLatch shutdownLatch() {
        return shutdown;
    }

    /// Ends the domain: stops the vCPUs, closes every event channel, frees the VM and its memory; the memory even if
    /// KVM fails before.
    @Override
    public void close() {
        stop(ShutdownReason.DESTROYED);
        teardown.close();
    }

    @Override
    public String toString() {
        return id + " (" + config.name() + ")";
    }
}
