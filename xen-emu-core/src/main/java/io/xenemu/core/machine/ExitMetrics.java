package io.xenemu.core.machine;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.core.metrics.DomainMeters;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.ioctl.ExitReason;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;

/// `xen.vcpu.exits`: returns of KVM_RUN to user space, by reason. A series is registered with its first exit: a guest
/// has few of the reasons, and one that moves stands still while its meters are made.
public final class ExitMetrics implements AutoCloseable {
    /// One vCPU's counts, by reason. Only its thread writes them.
    public static final class Counts {
        private static final int CELLS =
                1 + Arrays.stream(ExitReason.values()).mapToInt(Counts::cell).max().orElseThrow();

        private static final VarHandle CELL = MethodHandles.arrayElementVarHandle(long[].class);

        /// Counts by reason number, [ExitReason#OTHER] first.
        private final long[] byReason = new long[CELLS];

        private final Consumer<ExitReason> first;

        /// @param first is told of the first exit of each reason
        Counts(Consumer<ExitReason> first) {
            this.first = first;
        }

        /// Adds one exit.
        public void add(ExitReason reason) {
            int cell = cell(reason);
            long before = byReason[cell];
            CELL.setOpaque(byReason, cell, before + 1);
            if (before == 0) {
                first.accept(reason);
            }
        }

        private static int cell(ExitReason reason) {
            return reason.number() - ExitReason.OTHER.number();
        }

        long of(ExitReason reason) {
            return (long) CELL.getOpaque(byReason, cell(reason));
        }
    }

    private final DomainMeters meters;
    private final String domain;
    private final List<Counts> vcpus = new CopyOnWriteArrayList<>();

    @GuardedBy("this")
    private final Set<ExitReason> seen = EnumSet.noneOf(ExitReason.class);

    public ExitMetrics(MeterRegistry registry, DomId domain) {
        meters = new DomainMeters(registry);
        this.domain = Integer.toString(domain.value());
    }

    /// New counts for one vCPU.
    public Counts newVcpu() {
        Counts counts = new Counts(this::register);
        vcpus.add(counts);
        return counts;
    }

    private synchronized void register(ExitReason reason) {
        if (seen.add(reason)) {
            meters.add(
                    FunctionCounter.builder("xen.vcpu.exits", vcpus, all -> sum(all, reason))
                            .description("Returns of KVM_RUN to user space")
                            .tag("domain", domain)
                            .tag("reason", reason.name().toLowerCase(Locale.ROOT))
                            .register(meters.registry()));
        }
    }

    private static double sum(List<Counts> all, ExitReason reason) {
        long sum = 0;
        for (Counts counts : all) {
            sum += counts.of(reason);
        }
        return sum;
    }

    @Override
    public void close() {
        meters.close();
    }
}
