package io.xenemu.xenstore;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.Measurement;
import io.micrometer.core.instrument.Meter;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.testing.Eventually;
import io.xenemu.xenstore.wire.MessageType;
import java.lang.ref.WeakReference;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;

class XenStoreMetricsTest {
    /// The registry holds a meter's object weakly unless told otherwise. After the first collection such a gauge reads
    /// NaN, and such a counter stands still.
    @Test
    void metersKeepTheirValuesOverAGarbageCollection() throws Exception {
        try (Rig rig = new Rig()) {
            rig.guest(3);
            rig.server.client().write("/a", "");
            WeakReference<Object> garbage = new WeakReference<>(new Object());
            Eventually.holds(
                    "a garbage collection",
                    () -> {
                        System.gc();
                        return garbage.get() == null;
                    });
            assertEquals(1.0, rig.registry.get("xen.xenstore.connections").gauge().value());
            assertTrue(rig.registry.get("xen.xenstore.nodes").gauge().value() > 0);
            assertEquals(
                    List.of(),
                    rig.registry.getMeters().stream()
                            .filter(m -> m instanceof Gauge gauge && Double.isNaN(gauge.value()))
                            .map(Meter::getId)
                            .toList());
            Rig.Client guest = rig.client(3);
            rig.client(0).ask(MessageType.SET_QUOTA, "3\0watches\0" + "1\0");
            guest.ask(MessageType.WATCH, "/a\0first\0");
            guest.ask(MessageType.WATCH, "/a\0second\0");
            assertEquals(
                    1.0,
                    rig.registry
                            .get("xen.xenstore.denied")
                            .tags("domain", "3", "quota", "watches")
                            .functionCounter()
                            .count());
        }
    }

    /// A scrape does not wait for the store, and the store does not wait for a scrape.
    @Test
    void metersAreReadWhileTheStoreIsBusy() {
        try (Rig rig = new Rig()) {
            rig.guest(3);
            rig.server.client().write("/a", "");
            rig.server.access().enter();
            try {
                List<Double> values =
                        CompletableFuture.supplyAsync(() -> values(rig))
                                .orTimeout(10, TimeUnit.SECONDS)
                                .join();
                assertTrue(values.size() > 10 && !values.contains(Double.NaN), "" + values);
            } finally {
                rig.server.access().leave();
            }
        } catch (XenError e) {
            throw new AssertionError(e);
        }
    }

    private static List<Double> values(Rig rig) {
        return rig.registry.getMeters().stream()
                .flatMap(meter -> StreamSupport.stream(meter.measure().spliterator(), false))
                .map(Measurement::getValue)
                .toList();
    }

    @Test
    void closedServerLeavesNoMeters() {
        Rig rig = new Rig();
        rig.guest(3);
        rig.close();
        assertEquals(List.of(), rig.registry.getMeters());
    }
}
