package io.xenemu.core.device;

import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.core.metrics.DomainMeters;
import io.xenemu.kvm.abi.DomId;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;

/// Counters of failures between a domain and its devices. Each device keeps its own counter, which is read on
/// request.
///
/// Accesses to memory without a device are not here: user space has no memory-mapped devices, so they are the exits
/// with reason `mmio` of `ExitMetrics`.
public final class DeviceMetrics implements AutoCloseable {
    private final DomainMeters meters;
    private final String domain;
    private volatile @Nullable ConsoleRing console;

    public DeviceMetrics(MeterRegistry registry, DomId domain) {
        this.meters = new DomainMeters(registry);
        this.domain = Integer.toString(domain.value());
    }

    /// Adds `xen.io.unclaimed`.
    public void add(PortBus ports) {
        meters.add(
                FunctionCounter.builder("xen.io.unclaimed", ports, PortBus::unclaimed)
                        .description("Accesses to I/O ports without a device")
                        .tag("domain", domain)
                        .register(meters.registry()));
    }

    /// Adds `xen.remote.*`.
    public void add(RemoteLineCounters remote) {
        meters.add(
                Gauge.builder("xen.remote.lines", remote, RemoteLineCounters::lines)
                        .description("Interrupt lines that processes of remote devices have")
                        .tag("domain", domain)
                        .strongReference(true)
                        .register(meters.registry()));
        addRemote(
                "xen.remote.events",
                "Raises that became events",
                remote,
                RemoteLineCounters::events);
        addRemote(
                "xen.remote.resamples",
                "Ends of such events, told to a process",
                remote,
                RemoteLineCounters::resamples);
        addRemote(
                "xen.remote.raises",
                "Raises, as the processes tell",
                remote,
                RemoteLineCounters::raises);
        addRemote(
                "xen.remote.reraises",
                "Raises at the end of an interrupt, as the processes tell",
                remote,
                RemoteLineCounters::reraises);
    }

    private void addRemote(
            String name,
            String description,
            RemoteLineCounters remote,
            ToDoubleFunction<RemoteLineCounters> count) {
        meters.add(
                FunctionCounter.builder(name, remote, count)
                        .description(description)
                        .tag("domain", domain)
                        .register(meters.registry()));
    }

    /// Adds `xen.console.broken`, or makes it tell of another back end: the console is connected again after a soft
    /// reset. For one thread at a time.
    public void add(ConsoleRing served) {
        boolean isFirst = console == null;
        console = served;
        if (!isFirst) {
            return;
        }
        meters.add(
                Gauge.builder("xen.console.broken", this, DeviceMetrics::brokenConsoles)
                        .description(
                                "1 if the guest broke its console ring's rules, which ended the console")
                        .tag("domain", domain)
                        .register(meters.registry()));
    }

    private int brokenConsoles() {
        ConsoleRing served = console;
        return served != null && served.isBroken() ? 1 : 0;
    }

    /// Adds `xen.evtchn.throttled`.
    public void addThrottled(LongAdder pauses) {
        meters.add(
                FunctionCounter.builder("xen.evtchn.throttled", pauses, LongAdder::sum)
                        .description(
                                "Pauses of the service's threads because the guest sent too many events")
                        .tag("domain", domain)
                        .register(meters.registry()));
    }

    /// Adds `xen.guest.log.lost`.
    ///
    /// @param source the port by which the guest writes: `drivers` or `debug`
    public void addLostLines(String source, LongAdder lost) {
        meters.add(
                FunctionCounter.builder("xen.guest.log.lost", lost, LongAdder::sum)
                        .description("Lines lost because the guest wrote too many to the log")
                        .tag("domain", domain)
                        .tag("source", source)
                        .register(meters.registry()));
    }

    @Override
    public void close() {
        meters.close();
    }
}
