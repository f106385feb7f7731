package io.xenemu.core.machine;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.ioctl.ExitReason;
import java.util.List;
import org.junit.jupiter.api.Test;

final class ExitMetricsTest {
    private final SimpleMeterRegistry registry = new SimpleMeterRegistry();
    private final ExitMetrics metrics = new ExitMetrics(registry, new DomId(3));

    private double exits(String reason) {
        return registry.get("xen.vcpu.exits")
                .tags("domain", "3", "reason", reason)
                .functionCounter()
                .count();
    }

    @Test
    void exitsOfAllVcpusAddUpByReason() {
        ExitMetrics.Counts first = metrics.newVcpu();
        ExitMetrics.Counts second = metrics.newVcpu();

        first.add(ExitReason.XEN);
        first.add(ExitReason.XEN);
        first.add(ExitReason.IO);
        second.add(ExitReason.XEN);

        assertEquals(3, exits("xen"));
        assertEquals(1, exits("io"));
    }

    @Test
    void reasonsThatAGuestDoesNotHaveAreNoSeries() {
        metrics.newVcpu().add(ExitReason.IO);
        metrics.newVcpu().add(ExitReason.IO);

        assertEquals(1, registry.getMeters().size());
    }

    @Test
    void closeTakesTheDomainsSeriesAway() {
        metrics.newVcpu().add(ExitReason.IO);
        metrics.close();

        assertEquals(List.of(), registry.getMeters());
    }
}
