package io.xenemu.core.backend;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.backend.console.ConsoleBytes;
import io.xenemu.core.backend.console.ConsoleMetrics;
import io.xenemu.core.backend.p9.P9Metrics;
import io.xenemu.core.toolstack.DeviceKind;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.core.toolstack.XenbusState;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.testing.Eventually;
import java.lang.ref.WeakReference;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/// Gauges of devices that ask a function. The registry holds a gauge's object weakly unless told otherwise; nobody else
/// holds these functions.
final class SuppliedGaugesTest {
    private static PvDevice device(DeviceKind kind) {
        return new PvDevice(kind, new DomId(3), DomId.DOM0, 1);
    }

    @Test
    void gaugesKeepTheirValuesOverAGarbageCollection() {
        SimpleMeterRegistry registry = new SimpleMeterRegistry();
        AtomicInteger value = new AtomicInteger(XenbusState.CONNECTED.number());
        List<AutoCloseable> kept = new ArrayList<>();
        kept.add(
                new BackendMetrics(
                        registry,
                        device(DeviceKind.VBD),
                        () -> XenbusState.parse(Integer.toString(value.get()))));
        kept.add(new P9Metrics(registry, device(DeviceKind.P9), value::get, value::get));
        kept.add(
                new ConsoleMetrics(
                        registry, device(DeviceKind.CONSOLE), new ConsoleBytes(), value::get));
        WeakReference<Object> garbage = new WeakReference<>(new Object());
        Eventually.holds(
                "a garbage collection",
                () -> {
                    System.gc();
                    return garbage.get() == null;
                });
        assertEquals(3, kept.size());
        assertEquals(
                "xen.backend.state 4.0, xen.console.kept 4.0, xen.share.fids 4.0, xen.share.files 4.0",
                registry.getMeters().stream()
                        .filter(Gauge.class::isInstance)
                        .map(Gauge.class::cast)
                        .map(gauge -> gauge.getId().getName() + " " + gauge.value())
                        .sorted()
                        .collect(Collectors.joining(", ")));
    }
}
