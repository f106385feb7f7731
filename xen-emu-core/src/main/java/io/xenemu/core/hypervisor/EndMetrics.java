package io.xenemu.core.hypervisor;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.core.domain.ShutdownReason;
import java.util.EnumMap;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;

/// Meters of the ends of domains. They stay when the domain's own have gone.
public final class EndMetrics {
    private final Map<ShutdownReason, Counter> ends = new EnumMap<>(ShutdownReason.class);

    public EndMetrics(MeterRegistry registry) {
        for (ShutdownReason reason : ShutdownReason.values()) {
            ends.put(
                    reason,
                    Counter.builder("xen.domain.ends")
                            .tag("reason", reason.name().toLowerCase(Locale.ROOT))
                            .description("Domains that have stopped.")
                            .register(registry));
        }
    }

    /// Counts one.
    public void stopped(ShutdownReason reason) {
        Objects.requireNonNull(ends.get(reason)).increment();
    }
}
