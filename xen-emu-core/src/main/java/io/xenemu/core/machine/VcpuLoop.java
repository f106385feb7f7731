package io.xenemu.core.machine;

import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.core.boot.HypercallPage;
import io.xenemu.core.device.PortBus;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.Vcpu;
import io.xenemu.core.hypercall.HypercallContext;
import io.xenemu.core.hypercall.HypercallDispatcher;
import io.xenemu.core.hypercall.HypercallMetrics;
import io.xenemu.core.hypercall.HypercallTable;
import io.xenemu.core.trace.TracePoints;
import io.xenemu.kvm.ioctl.KvmVcpu;
import io.xenemu.kvm.memory.GuestArgument;
import java.lang.foreign.Arena;

/// The main loop of a domain's vCPU threads, and the meters of their exits and hypercalls, which end with the domain.
public final class VcpuLoop {
    private final Domain domain;
    private final HypercallTable hypercalls;
    private final HypercallPage page;
    private final PortBus ports;
    private final HypercallMetrics hypercallMetrics;
    private final ExitMetrics exitMetrics;
    private final TracePoints traces;

    /// @param page the code that the hypercall MSR writes
    /// @param ports the devices in the domain's I/O space
    /// @param traces the places where the vCPUs' hypercalls can be recorded
    public VcpuLoop(
            Domain domain,
            MeterRegistry registry,
            HypercallTable hypercalls,
            HypercallPage page,
            PortBus ports,
            TracePoints traces) {
        this.domain = domain;
        this.hypercalls = hypercalls;
        this.page = page;
        this.ports = ports;
        hypercallMetrics = new HypercallMetrics(registry, domain.id(), hypercalls);
        domain.alsoClose("hypercall meters", hypercallMetrics::close);
        exitMetrics = new ExitMetrics(registry, domain.id());
        domain.alsoClose("exit meters", exitMetrics::close);
        this.traces = traces;
        traces.add(domain);
        domain.alsoClose("trace", () -> traces.remove(domain.id()));
    }

    /// Runs a vCPU on its own thread until its domain stops.
    ///
    /// @param kvm its descriptor
    public void run(Vcpu vcpu, KvmVcpu kvm) {
        try (Arena arena = Arena.ofConfined()) {
            // The tables are made first, so that the small objects that each exit uses are next to
            // each other.
            HypercallDispatcher dispatcher =
                    new HypercallDispatcher(hypercalls, hypercallMetrics.newVcpu(), domain::crash);
            traces.add(domain.id(), dispatcher);
            ExitMetrics.Counts exits = exitMetrics.newVcpu();
            SyncedCpuState cpu = new SyncedCpuState(kvm);
            GuestArgument argument = new GuestArgument(domain.memory().guest(), cpu, arena);
            new ExitLoop(
                            domain,
                            vcpu,
                            kvm,
                            cpu,
                            new HypercallContext(domain, vcpu, argument),
                            dispatcher,
                            new HypercallMsr(domain, kvm, page),
                            ports,
                            exits)
                    .loop();
        }
    }
}
