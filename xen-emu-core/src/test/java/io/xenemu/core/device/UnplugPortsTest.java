package io.xenemu.core.device;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

class UnplugPortsTest {
    private final PortBus bus = new PortBus(new UnplugPorts().ranges());

    @Test
    void driverFindsTheProtocolAndIsNotRefused() {
        assertEquals(0x49d2, bus.read(0x10, 2));
        assertEquals(1, bus.read(0x12, 1));
        bus.write(0x12, 2, 3);
        bus.write(0x10, 4, 0x1234);
        assertEquals(0x49d2, bus.read(0x10, 2));
        bus.write(0x10, 2, 3);
        assertEquals(0, bus.unclaimed());
    }
}
