package io.xenemu.core.backend.console;

import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import io.xenemu.core.backend.DeviceTags;
import io.xenemu.core.metrics.DomainMeters;
import io.xenemu.core.toolstack.PvDevice;
import java.util.function.IntSupplier;

/// The meters of one further console; removed with it. Counters go on when the guest connects again.
///
/// | meter | tags | counts |
/// |---|---|---|
/// | `xen.console.bytes` | domain, device, direction | bytes moved: `output` from the guest, `input` to it |
/// | `xen.console.lost` | domain, device | bytes of output that nobody took |
/// | `xen.console.kept` | domain, device | bytes of output that wait |
public final class ConsoleMetrics implements AutoCloseable {
    private final DomainMeters meters;

    /// Registers the meters of a console.
    ///
    /// @param kept the bytes that wait now
    public ConsoleMetrics(
            MeterRegistry registry, PvDevice device, ConsoleBytes bytes, IntSupplier kept) {
        meters = new DomainMeters(registry);
        Tags tags = DeviceTags.of(device.frontend(), device.id());
        meters.add(
                FunctionCounter.builder("xen.console.bytes", bytes, ConsoleBytes::output)
                        .description("Bytes that a further console of a guest has moved")
                        .baseUnit("bytes")
                        .tags(tags.and("direction", "output"))
                        .register(registry));
        meters.add(
                FunctionCounter.builder("xen.console.bytes", bytes, ConsoleBytes::input)
                        .description("Bytes that a further console of a guest has moved")
                        .baseUnit("bytes")
                        .tags(tags.and("direction", "input"))
                        .register(registry));
        meters.add(
                FunctionCounter.builder("xen.console.lost", bytes, ConsoleBytes::lost)
                        .description("Bytes of a guest's output that nobody took")
                        .baseUnit("bytes")
                        .tags(tags)
                        .register(registry));
        meters.add(
                Gauge.builder("xen.console.kept", kept, IntSupplier::getAsInt)
                        .description("Bytes of a guest's output that wait for a reader")
                        .baseUnit("bytes")
                        .tags(tags)
                        .strongReference(true)
                        .register(registry));
    }

    @Override
    public void close() {
        meters.close();
    }
}
