package io.xenemu.core.machine;

import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.core.metrics.DomainMeters;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.ioctl.ExitReason;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CopyOnWriteArrayList;

/// `xen.vcpu.exits`: returns of KVM_RUN to user space, by reason.
public final class ExitMetrics implements AutoCloseable {
    /// One vCPU's counts, by reason. Only its thread writes them.
    public static final class Counts {
        private static final int CELLS =
                1 + Arrays.stream(ExitReason.values()).mapToInt(Counts::cell).max().orElseThrow();

        private static final VarHandle CELL = MethodHandles.arrayElementVarHandle(long[].class);

        /// Counts by reason number, [ExitReason#OTHER] first.
        private final long[] byReason = new long[CELLS];

        Counts() {}

        /// Adds one exit.
        public void add(ExitReason reason) {
            int cell = cell(reason);
            CELL.setOpaque(byReason, cell, byReason[cell] + 1);
        }

        private static int cell(ExitReason reason) {
            return reason.number() - ExitReason.OTHER.number();
        }

        long of(ExitReason reason) {
            return (long) CELL.getOpaque(byReason, cell(reason));
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
            sum += counts.of(reason);
        }
        return sum;
    }

    @Override
    public void close() {
        meters.close();
    }
}
