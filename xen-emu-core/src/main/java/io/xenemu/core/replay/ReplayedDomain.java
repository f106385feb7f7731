package io.xenemu.core.replay;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.delivery.InlineListener;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.DomainEnvironment;
import io.xenemu.core.domain.DomainOrigin;
import io.xenemu.core.domain.Vcpu;
import io.xenemu.core.domain.XenState;
import io.xenemu.core.hypercall.HypercallContext;
import io.xenemu.core.hypercall.HypercallDispatcher;
import io.xenemu.core.hypercall.HypercallMetrics;
import io.xenemu.core.hypercall.HypercallTable;
import io.xenemu.core.memory.HostResources;
import io.xenemu.core.trace.CallCapture;
import io.xenemu.core.trace.TraceHeader;
import io.xenemu.core.trace.TracedCall;
import io.xenemu.core.trace.TracedEvent;
import io.xenemu.core.vm.StillVcpu;
import io.xenemu.core.vm.StillVm;
import io.xenemu.evtchn.EventChannels;
import io.xenemu.evtchn.EventChannelsState;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.evtchn.EvtchnStatus;
import io.xenemu.evtchn.PortAccount;
import io.xenemu.evtchn.ServicePort;
import io.xenemu.evtchn.ServicePorts;
import io.xenemu.gnttab.GrantTable;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.ioctl.MpState;
import io.xenemu.kvm.memory.GuestArgument;
import io.xenemu.kvm.memory.GuestMemory;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// A domain as it was when a trace began, on a [StillVm]. Its vCPUs do not run: [#make] makes recorded calls in their
/// place. It has the dispatcher and all modules of a real domain. Domain 0's ends of its event channels do nothing.
final class ReplayedDomain implements AutoCloseable {
    private final Arena arena = Arena.ofConfined();
    private final SimpleMeterRegistry registry = new SimpleMeterRegistry();
    private final HostResources resources = HostResources.ofThisHost();
    private final ServicePorts servicePorts = new ServicePorts(this::channels, registry);
    private final DomId id;
    private final long clock;
    private final List<StillVcpu> ports = new ArrayList<>();
    private final List<HypercallContext> callers = new ArrayList<>();
    private final List<RecordedMode> modes = new ArrayList<>();
    private final List<RecordedPages> pages = new ArrayList<>();
    private final HypercallDispatcher dispatcher;
    private final CallCapture capture;

    /// The domain; null while it is made.
    private @Nullable Domain made;

    /// The time of the trace.
    private long now;

    /// @param state of the domain when the trace began
    /// @throws IllegalArgumentException if the state contradicts itself
    /// @throws BootException if no domain can have its memory
    /// @throws XenError if the state has a channel to domain 0 that cannot be had
    ReplayedDomain(TraceHeader header, XenState state, HypercallTable table)
            throws BootException, XenError {
        id = state.id();
        clock = header.replay().clock();
        HypercallMetrics metrics = new HypercallMetrics(registry, id, table);
        Domain built = null;
        try {
            built = build(header, state);
        } finally {
            if (built == null) {
                close();
            }
        }
        built.alsoClose("hypercall meters", metrics::close);
        dispatcher = new HypercallDispatcher(table, metrics.newVcpu(), built::crash);
        capture = new CallCapture(table, dispatcher);
    }

    private Domain build(TraceHeader header, XenState state) throws BootException, XenError {
        DomainOrigin origin = new DomainOrigin.Saved(state, _ -> {});
        Domain domain =
                new Domain(
                        origin,
                        origin.memoryMap(),
                        new StillVm(() -> clock + now),
                        header.replay().capabilities(),
                        new DomainEnvironment(
                                registry,
                                this::channels,
                                servicePorts,
                                this::grants,
                                resources,
                                new PortAccount(ServicePorts.LIMIT)));
        made = domain;
        for (int i = 0; i < origin.config().vcpus(); i++) {
            addVcpu(domain, new VcpuId(i));
        }
        domain.restored(state);
        domain.watchdogs().disarm();
        while (domain.unpause()) {
            // A pause that the trace began with would interrupt each long call.
        }
        bindService(domain, state.events());
        return domain;
    }

    private void addVcpu(Domain domain, VcpuId vcpu) {
        StillVcpu port =
                new StillVcpu(vcpu.value() == 0 ? MpState.RUNNABLE : MpState.UNINITIALIZED);
        RecordedMode mode = new RecordedMode();
        RecordedPages walk = new RecordedPages();
        Vcpu added = new Vcpu(domain, vcpu, port, _ -> {});
        domain.add(added);
        ports.add(port);
        modes.add(mode);
        pages.add(walk);
        callers.add(
                new HypercallContext(
                        domain,
                        added,
                        new GuestArgument(domain.memory().guest(), mode, walk, arena)));
    }

    /// Binds domain 0's ends of the channels that the domain had.
    private void bindService(Domain domain, EventChannelsState events) throws XenError {
        InlineListener nothing = () -> {};
        for (EventChannelsState.Port port : events.ports()) {
            if (port.status() instanceof EvtchnStatus.Interdomain end
                    && end.remote().equals(DomId.DOM0)) {
                // It ends with the domain.
                ServicePort _ =
                        servicePorts.bindInterdomain(
                                domain.id(), new EvtchnPort(port.number()), nothing);
            }
        }
    }

    private Domain domain() {
        Domain domain = made;
        if (domain == null) {
            throw new IllegalStateException("asked for while it is made");
        }
        return domain;
    }

    private @Nullable EventChannels channels(DomId domain) {
        if (domain.equals(DomId.DOM0)) {
            return servicePorts.channels();
        }
        return domain.equals(id) && made != null ? made.eventChannels() : null;
    }

    private @Nullable GrantTable grants(DomId domain) {
        return domain.equals(id) && made != null ? made.grantTable() : null;
    }

    /// The number of its vCPUs.
    int vcpus() {
        return ports.size();
    }

    /// Whether a call has shut it down.
    boolean isShutDown() {
        return domain().shutdownLatch().get() != null;
    }

    /// Puts the bytes into its memory that the guest gave to a call.
    ///
    /// @param given by guest-physical address
    /// @return false if it has no memory there
    boolean give(Map<Long, Byte> given) {
        try {
            for (Map.Entry<Long, Byte> one : given.entrySet()) {
                domain().memory().guest().write8(one.getKey(), one.getValue());
            }
            return true;
        } catch (XenError e) {
            return false;
        }
    }

    /// Whether a call has used a page that it may also change by itself, such as a frame of the grant table. The record
    /// does not tell such changes from the guest's.
    boolean isInSharedPage(TracedCall call) {
        long ramPages = domain().memory().ram().byteSize() / GuestMemory.PAGE_SIZE;
        return call.accesses().stream()
                .mapToLong(access -> access.physical() / GuestMemory.PAGE_SIZE)
                .anyMatch(gfn -> domain().memory().pageAt(gfn) >= ramPages);
    }

    /// Makes a recorded call.
    ///
    /// @return the call as it was now, with its own copies in and out
    TracedCall make(TracedCall recorded) {
        int vcpu = recorded.vcpu();
        now = recorded.begin();
        if (ports.get(vcpu).getMpState() == MpState.UNINITIALIZED) {
            // KVM has started it, by INIT and SIPI of another vCPU.
            ports.get(vcpu).setMpState(MpState.RUNNABLE);
        }
        modes.get(vcpu).set(recorded.width());
        pages.get(vcpu).show(recorded);
        HypercallContext call = callers.get(vcpu);
        call.begin(recorded.number(), recorded.cpl());
        for (int i = 0; i < HypercallContext.PARAMETERS; i++) {
            call.setParameter(i, recorded.word(i));
        }
        long _ = dispatcher.dispatch(call);
        domain().vcpus().forEach(Vcpu::goDown);
        return capture.take().getLast();
    }

    /// Allocates a port for another domain.
    ///
    /// @return its number, or the negative number of an error
    long allocateFor(DomId remote) {
        try {
            return domain().eventChannels().allocUnbound(DomId.SELF, remote).value();
        } catch (XenError e) {
            return -e.number();
        }
    }

    /// Does what an operator did.
    void change(TracedEvent event) {
        long bytes = event.number(1);
        domain().memory().setMax(bytes);
        if (event.number(0) == TracedEvent.MEMORY_TARGET) {
            domain().memory().ownUpTo(bytes);
        }
    }

    @Override
    public void close() {
        try (arena;
                resources) {
            if (made != null) {
                made.close();
            }
        } finally {
            registry.close();
        }
    }
}
