package io.xenemu.core.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.xenemu.core.boot.AcpiTables;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class PortBusTest {
    /// Answers with the low byte of the port, and remembers writes.
    private static final class Echo implements PortDevice {
        private final List<String> writes = new ArrayList<>();

        @Override
        public int read(int port) {
            return port & 0xff;
        }

        @Override
        public void write(int port, int value) {
            writes.add("%x=%x".formatted(port, value));
        }
    }

    private static final class Power implements PowerControl {
        private final List<String> calls = new ArrayList<>();

        @Override
        public void powerOff() {
            calls.add("off");
        }

        @Override
        public void reset() {
            calls.add("reset");
        }
    }

    private final Echo echo = new Echo();
    private final Power power = new Power();

    private PortBus bus() {
        var ranges = new ArrayList<>(new PowerPorts(power).ranges());
        ranges.add(new PortBus.Range(0x3f8, 0x3ff, echo));
        return new PortBus(ranges);
    }

    @Test
    void unclaimedPortsReadAsAllOnesOfTheirWidthAndAreCounted() {
        PortBus bus = bus();
        assertEquals(0xff, bus.read(0x71, 1));
        assertEquals(0xffff, bus.read(0x10, 2));
        assertEquals(-1, bus.read(0xcfc, 4));
        bus.write(0x80, 1, 0);
        assertEquals(4, bus.unclaimed());
    }

    @Test
    void wideAccessesAreSplitAndEndWithTheDevice() {
        PortBus bus = bus();
        assertEquals(0xfbfaf9f8, bus.read(0x3f8, 4));
        assertEquals(0xffff_fffe, bus.read(0x3fe, 4));
        assertEquals(0xffff, bus.read(0x3ff, 2));
        bus.write(0x3fe, 4, 0x44332211);
        assertEquals(List.of("3fe=11", "3ff=22"), echo.writes);
        assertEquals(0, bus.unclaimed());
    }

    @Test
    void overlappingDevicesAreABug() {
        var one = new PortBus.Range(0x10, 0x1f, echo);
        var two = new PortBus.Range(0x1f, 0x2f, echo);
        assertThrows(IllegalArgumentException.class, () -> new PortBus(List.of(two, one)));
    }

    @Test
    void guestResetsItselfByAcpiOrKeyboardController() {
        PortBus bus = bus();
        bus.write(0xcf9, 1, 2);
        bus.write(0x64, 1, 0x20);
        assertEquals(List.of(), power.calls);
        bus.write(AcpiTables.RESET_PORT, 1, AcpiTables.RESET_VALUE);
        bus.write(0x64, 1, 0xfe);
        assertEquals(List.of("reset", "reset"), power.calls);
    }

    @Test
    void pciConfigurationAccessesDoNotReset() {
        bus().write(0xcf8, 4, 0x8000_0600);
        assertEquals(List.of(), power.calls);
    }

    @Test
    void guestTurnsItselfOffByTheSleepRegister() {
        PortBus bus = bus();
        bus.write(AcpiTables.SLEEP_CONTROL_PORT, 1, AcpiTables.SLEEP_TYPE_S5 << 2);
        bus.write(AcpiTables.SLEEP_CONTROL_PORT, 1, 1 << 2 | 1 << 5);
        assertEquals(List.of(), power.calls);
        bus.write(AcpiTables.SLEEP_CONTROL_PORT, 1, AcpiTables.SLEEP_TYPE_S5 << 2 | 1 << 5);
        assertEquals(List.of("off"), power.calls);
    }

    @Test
    void keyboardStatusSaysNothingToWaitFor() {
        assertEquals(0, bus().read(0x64, 1));
    }
}
