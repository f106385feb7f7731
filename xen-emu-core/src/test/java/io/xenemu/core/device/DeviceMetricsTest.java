package io.xenemu.core.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.memory.GuestMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.junit.jupiter.api.Test;

final class DeviceMetricsTest {
    private static final long OUT_PROD = 0xc0c;

    private final SimpleMeterRegistry registry = new SimpleMeterRegistry();
    private final DeviceMetrics metrics = new DeviceMetrics(registry, new DomId(3));

    @Test
    void portsWithoutADeviceAreCounted() {
        PortBus ports = new PortBus(List.of());
        metrics.add(ports);

        ports.read(0x60, 1);
        ports.write(0x60, 1, 0);

        assertEquals(
                2, registry.get("xen.io.unclaimed").tag("domain", "3").functionCounter().count());
    }

    @Test
    void aBrokenConsoleIsCounted() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment page = arena.allocate(GuestMemory.PAGE_SIZE, Integer.BYTES);
            ConsoleRing console =
                    new ConsoleRing(page, ByteSink.DISCARD, ByteSource.NONE, () -> {});
            metrics.add(console);
            assertEquals(0, broken());

            page.set(ValueLayout.JAVA_INT, OUT_PROD, -1);
            console.service();

            assertEquals(1, broken());
        }
    }

    private double broken() {
        return registry.get("xen.console.broken").tag("domain", "3").gauge().value();
    }

    @Test
    void metersEndWithTheDomain() {
        metrics.add(new PortBus(List.of()));

        metrics.close();

        assertTrue(registry.getMeters().isEmpty());
    }
}
