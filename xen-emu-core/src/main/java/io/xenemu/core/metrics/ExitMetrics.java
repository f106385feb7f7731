package io.xenemu.core.metrics;

import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.ioctl.ExitReason;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicLong;

/// `xen.vcpu.exits`: returns of KVM_RUN to user space, by reason.
public final class ExitMetrics implements AutoCloseable {
    /// One vCPU's counts, by reason. Written by its thread alone.
    public static final class Counts {
        private final EnumMap<ExitReason, AtomicLong> byReason = new EnumMap<>(ExitReason.class);

        Counts() {
            for (ExitReason reason : ExitReason.values()) {
                byReason.put(reason, new AtomicLong());
            }
        }

        /// Adds one exit.
        public void add(ExitReason reason) {
            AtomicLong count = of(reason);
            count.setOpaque(count.getPlain() + 1);
        }

        private AtomicLong of(ExitReason reason) {
            return Objects.requireNonNull(byReason.get(reason));
        }
    }

    private final DomainMeters meters;
    private final List<Counts> vcpus = new CopyOnWriteArrayList<>();

    public ExitMetrics(MeterRegistry registry, DomId domain) {
        meters = new DomainMeters(registry);
        for (ExitReason reason : ExitReason.values()) {
            meters.add(
                    FunctionCounter.builder("xen.vcpu.exits", vcpus, all -> sum(all, reason))
                            .description("Returns of KVM_RUN to user space")
                            .tag("domain", Integer.toString(domain.value()))
                            .tag("reason", reason.name().toLowerCase(Locale.ROOT))
                            .register(registry));
        }
    }

    /// New counts for one vCPU.
    public Counts newVcpu() {
        Counts counts = new Counts();
        vcpus.add(counts);
        return counts;
    }

    private static double sum(List<Counts> all, ExitReason reason) {
        long sum = 0;
        for (Counts counts : all) {
            sum += counts.of(reason).getOpaque();
        }
        return sum;
    }

    @Override
    public void close() {
        meters.close();
    }
}
