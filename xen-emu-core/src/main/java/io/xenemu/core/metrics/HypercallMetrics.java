package io.xenemu.core.metrics;

import io.micrometer.core.instrument.FunctionTimer;
import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.core.hypercall.HypercallCounters;
import io.xenemu.core.hypercall.HypercallOp;
import io.xenemu.core.hypercall.HypercallTable;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.Errno;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;

/// `xen.hypercalls`: hypercalls served in user space and the time they took there, by name, sub-operation and result. A
/// series appears with its first call, so the number of series is bounded by what guests really do. Hypercalls that KVM
/// serves itself are not seen by anybody.
public final class HypercallMetrics implements AutoCloseable {
    private record Series(int op, int errno) {}

    private final DomainMeters meters;
    private final String domain;
    private final HypercallTable table;
    private final Set<Series> seen = new HashSet<>();
    private final List<HypercallCounters> vcpus = new CopyOnWriteArrayList<>();

    public HypercallMetrics(MeterRegistry registry, DomId domain, HypercallTable table) {
        this.meters = new DomainMeters(registry);
        this.domain = Integer.toString(domain.value());
        this.table = table;
    }

    /// New counters for one vCPU.
    public HypercallCounters newVcpu() {
        HypercallCounters counters = new HypercallCounters(table.ops().size(), this::register);
        vcpus.add(counters);
        return counters;
    }

    private synchronized void register(HypercallOp op, int errno) {
        if (!seen.add(new Series(op.index(), errno))) {
            return;
        }
        meters.add(
                FunctionTimer.builder(
                                "xen.hypercalls",
                                vcpus,
                                all -> sum(all, op, errno, true),
                                all -> sum(all, op, errno, false),
                                TimeUnit.NANOSECONDS)
                        .description("Hypercalls served in user space, and their time there")
                        .tag("domain", domain)
                        .tag("hypercall", op.hypercall())
                        .tag("op", op.op())
                        .tag("result", errno == 0 ? "OK" : Errno.name(errno))
                        .register(meters.registry()));
    }

    private static long sum(List<HypercallCounters> all, HypercallOp op, int errno, boolean count) {
        long sum = 0;
        for (HypercallCounters counters : all) {
            sum += count ? counters.count(op, errno) : counters.nanos(op, errno);
        }
        return sum;
    }

    @Override
    public void close() {
        meters.close();
    }
}
