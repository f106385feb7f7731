package io.xenemu.xenstore;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.Meter;
import java.lang.ref.WeakReference;
import java.util.List;
import org.junit.jupiter.api.Test;

class XenStoreMetricsTest {
    /// The registry holds the objects that gauges ask weakly, unless told otherwise: such a gauge says NaN from the first
    /// collection on.
    @Test
    void gaugesKeepTheirValuesOverAGarbageCollection() throws Exception {
        try (Rig rig = new Rig()) {
            rig.guest(3);
            rig.server.client().write("/a", "");
            WeakReference<Object> garbage = new WeakReference<>(new Object());
            while (garbage.get() != null) {
                System.gc();
            }
            assertEquals(1.0, rig.registry.get("xen.xenstore.connections").gauge().value());
            assertTrue(rig.registry.get("xen.xenstore.nodes").gauge().value() > 0);
            assertEquals(
                    List.of(),
                    rig.registry.getMeters().stream()
                            .filter(m -> m instanceof Gauge gauge && Double.isNaN(gauge.value()))
                            .map(Meter::getId)
                            .toList());
        }
    }

    @Test
    void closedServerLeavesNoMeters() {
        Rig rig = new Rig();
        rig.guest(3);
        rig.close();
        assertEquals(List.of(), rig.registry.getMeters());
    }
}
