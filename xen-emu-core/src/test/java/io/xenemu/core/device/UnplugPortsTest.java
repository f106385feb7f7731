package io.xenemu.core.device;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class UnplugPortsTest {
    private final List<String> lines = new ArrayList<>();
    private final List<String> asked = new ArrayList<>();
    private final GuestLog log = new GuestLog(lines::add, () -> 0);
    private final PortBus bus =
            new PortBus(
                    new UnplugPorts(log, this::isListed, _ -> {}, UnplugState.INITIAL).ranges());

    private boolean isListed(int product, long build) {
        asked.add(product + "/" + build);
        return product == 1;
    }

    /// As Linux does.
    @Test
    void driverFindsTheProtocolAndIsNotRefused() {
        assertEquals(0x49d2, bus.read(0x10, 2));
        assertEquals(1, bus.read(0x12, 1));
        bus.write(0x12, 2, 3);
        bus.write(0x10, 4, 0xffff_ffff);
        assertEquals(0x49d2, bus.read(0x10, 2));
        bus.write(0x10, 2, 3);
        assertEquals(0x49d2, bus.read(0x10, 2));
        assertEquals(0, bus.unclaimed());
        assertEquals(List.of("3/4294967295"), asked);
        assertEquals(List.of(), lines);
    }

    @Test
    void listedDriverReadsAnotherMagicUntilItReportsAgain() {
        bus.write(0x12, 2, 1);
        assertEquals(0x49d2, bus.read(0x10, 2));
        bus.write(0x10, 4, 7);
        assertEquals(0xd249, bus.read(0x10, 2));
        bus.write(0x12, 2, 2);
        bus.write(0x10, 4, 7);
        assertEquals(0x49d2, bus.read(0x10, 2));
        assertEquals(List.of("1/7", "2/7"), asked);
    }

    @Test
    void bytesToTheVersionPortAreALog() {
        "driver 1\n".chars().forEach(c -> bus.write(0x12, 1, c));
        assertEquals(List.of("driver 1"), lines);
    }

    @Test
    void otherWidthsReadAsNothing() {
        bus.write(0x10, 1, 1);
        assertEquals(1, bus.read(0x10, 1));
        assertEquals(-1, bus.read(0x10, 4));
        assertEquals(0xffff, bus.read(0x12, 2));
        assertEquals(0xff, bus.read(0x11, 1));
        bus.write(0x13, 4, -1);
        assertEquals(0x49d2, bus.read(0x10, 2));
    }
}
