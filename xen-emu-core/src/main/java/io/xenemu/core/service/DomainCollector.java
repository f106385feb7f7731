package io.xenemu.core.service;

import io.prometheus.metrics.model.registry.MultiCollector;
import io.prometheus.metrics.model.snapshots.CounterSnapshot;
import io.prometheus.metrics.model.snapshots.GaugeSnapshot;
import io.prometheus.metrics.model.snapshots.InfoSnapshot;
import io.prometheus.metrics.model.snapshots.Labels;
import io.prometheus.metrics.model.snapshots.MetricSnapshots;
import io.xenemu.core.control.DomainRow;
import io.xenemu.core.hypervisor.OperatedDomains;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;

/// What `list` tells of each domain, for Prometheus. It looks when it is asked, so that a domain which starts, ends or
/// gets another name costs nothing.
final class DomainCollector implements MultiCollector {
    private static final double MILLIS = 1e3;
    private static final int MIB_SHIFT = 20;

    /// The states of `list`, in the order of their letters.
    private static final List<String> STATES =
            List.of("running", "blocked", "paused", "shutdown", "crashed", "dying");

    private final Supplier<List<DomainRow>> domains;

    /// @param domains gives those that there are
    DomainCollector(Supplier<List<DomainRow>> domains) {
        this.domains = domains;
    }

    @Override
    public MetricSnapshots collect() {
        List<DomainRow> rows = domains.get();
        InfoSnapshot.Builder info =
                InfoSnapshot.builder()
                        .name("xen_domain")
                        .help("Always 1: name and uuid of the domain.");
        CounterSnapshot.Builder cpu =
                CounterSnapshot.builder()
                        .name("xen_domain_cpu_seconds")
                        .help("CPU time of the domain's vCPUs.");
        GaugeSnapshot.Builder memory =
                gauge("xen_domain_memory_bytes", "Memory that the domain owns.");
        GaugeSnapshot.Builder most =
                gauge("xen_domain_max_memory_bytes", "Memory that the domain sees.");
        GaugeSnapshot.Builder vcpus = gauge("xen_domain_vcpus", "vCPUs of the domain.");
        GaugeSnapshot.Builder start =
                gauge("xen_domain_start_time_seconds", "When the domain was built, since 1970.");
        GaugeSnapshot.Builder states =
                gauge("xen_domain_state", "1 for each state that the domain has.");
        for (DomainRow row : rows) {
            String id = Integer.toString(row.id());
            Labels labels = Labels.of("domain", id);
            info.dataPoint(
                    InfoSnapshot.InfoDataPointSnapshot.builder()
                            .labels(Labels.of("domain", id, "name", row.name(), "uuid", row.uuid()))
                            .build());
            cpu.dataPoint(
                    CounterSnapshot.CounterDataPointSnapshot.builder()
                            .labels(labels)
                            .value(row.cpuMillis() / MILLIS)
                            .build());
            memory.dataPoint(point(labels, row.memoryMib() << MIB_SHIFT));
            most.dataPoint(point(labels, row.maxMemoryMib() << MIB_SHIFT));
            vcpus.dataPoint(point(labels, row.vcpus()));
            start.dataPoint(point(labels, row.began()));
            for (int i = 0; i < STATES.size(); i++) {
                states.dataPoint(
                        point(
                                Labels.of("domain", id, "state", STATES.get(i)),
                                row.state().charAt(i) == '-' ? 0 : 1));
            }
        }
        return MetricSnapshots.of(
                info.build(),
                cpu.build(),
                memory.build(),
                most.build(),
                vcpus.build(),
                start.build(),
                states.build());
    }

    private static GaugeSnapshot.Builder gauge(String name, String help) {
        return GaugeSnapshot.builder().name(name).help(help);
    }

    private static GaugeSnapshot.GaugeDataPointSnapshot point(Labels labels, long value) {
        return GaugeSnapshot.GaugeDataPointSnapshot.builder()
                .labels(labels)
                .value((double) value)
                .build();
    }

    /// The rows of the domains that an operator sees.
    static Supplier<List<DomainRow>> rows(OperatedDomains operated) {
        return () -> {
            List<DomainRow> rows = new ArrayList<>();
            operated.forEach(domain -> rows.add(DomainRow.of(domain)));
            return rows;
        };
    }
}
