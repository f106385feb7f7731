package io.xenemu.core.hypercall;

import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.FunctionTimer;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tag;
import io.xenemu.core.metrics.DomainMeters;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.function.ToLongFunction;

/// `xen.hypercalls`: hypercalls served in user space, by name, sub-operation and result. `xen.hypercall.duration`:
/// the time of a sample of them in user space ([HypercallCounters]), so that sum / count is the mean. A series is
/// registered with its first call, so guests only create series for calls that they make. Hypercalls that KVM serves
/// itself are not counted.
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
        List<Tag> tags =
                List.of(
                        Tag.of("domain", domain),
                        Tag.of("hypercall", op.hypercall()),
                        Tag.of("op", op.op()),
                        Tag.of("result", errno == 0 ? "OK" : symbol(errno)));
        meters.add(
                FunctionCounter.builder(
                                "xen.hypercalls",
                                vcpus,
                                all -> sum(all, counters -> counters.count(op, errno)))
                        .description("Hypercalls served in user space")
                        .tags(tags)
                        .register(meters.registry()));
        meters.add(
                FunctionTimer.builder(
                                "xen.hypercall.duration",
                                vcpus,
                                all -> sum(all, counters -> counters.timed(op, errno)),
                                all -> sum(all, counters -> counters.nanos(op, errno)),
                                TimeUnit.NANOSECONDS)
                        .description("Time of hypercalls in user space; a sample of the calls")
                        .tags(tags)
                        .register(meters.registry()));
    }

    private static String symbol(int errno) {
        return XenError.ALL.stream()
                .filter(error -> error.number() == errno)
                .findFirst()
                .orElseThrow()
                .symbol();
    }

    private static long sum(List<HypercallCounters> all, ToLongFunction<HypercallCounters> ofVcpu) {
        return all.stream().mapToLong(ofVcpu).sum();
    }

    @Override
    public void close() {
        meters.close();
    }
}
