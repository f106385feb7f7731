package io.xenemu.core.backend;

import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.core.metrics.DomainMeters;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.core.toolstack.XenbusState;
import java.util.function.Supplier;

/// The meters that every device of the service has. They are removed with the device.
public final class BackendMetrics implements AutoCloseable {
    private final DomainMeters meters;

    /// @param state the back end's
    public BackendMetrics(MeterRegistry registry, PvDevice device, Supplier<XenbusState> state) {
        meters = new DomainMeters(registry);
        meters.add(
                Gauge.builder("xen.backend.state", state, shown -> shown.get().number())
                        .description(
                                "State of the back end of a device that the service serves, as in"
                                        + " XenStore")
                        .tags(DeviceTags.of(device.frontend(), device.id()))
                        .tag("kind", device.kind().directory())
                        .strongReference(true)
                        .register(registry));
    }

    @Override
    public void close() {
        meters.close();
    }
}
