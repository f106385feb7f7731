package io.xenemu.core.device;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.core.boot.AcpiTables;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

final class AcpiEventsTest {
    private final List<Boolean> levels = new ArrayList<>();
    private final AcpiEvents events = new AcpiEvents(levels::add);
    private final PortBus bus = new PortBus(events.ranges());

    private int read() {
        return bus.read(AcpiTables.EVENT_PORT, 1);
    }

    @Test
    void lineIsUpUntilTheGuestHasReadWhatHappened() {
        assertEquals(0, read());
        events.raise(AcpiEvents.Event.POWER_BUTTON);
        assertEquals(List.of(true), levels);
        events.raise(AcpiEvents.Event.POWER_BUTTON);
        events.raise(AcpiEvents.Event.GENERATION_ID);
        assertEquals(List.of(true, true, true), levels);
        assertEquals(AcpiTables.EVENT_POWER_BUTTON | AcpiTables.EVENT_GENERATION_ID, read());
        assertEquals(List.of(true, true, true, false), levels);
        assertEquals(0, read());
        assertEquals(4, levels.size());
    }

    @Test
    void writesHaveNoEffect() {
        events.raise(AcpiEvents.Event.SLEEP_BUTTON);
        bus.write(AcpiTables.EVENT_PORT, 1, 0xff);
        assertEquals(AcpiTables.EVENT_SLEEP_BUTTON, read());
    }

    @Test
    void restoredGuestIsToldAgain() {
        events.raise(AcpiEvents.Event.SLEEP_BUTTON);
        List<Boolean> after = new ArrayList<>();
        AcpiEvents restored = new AcpiEvents(after::add);
        restored.restore(0xf8 | events.save());
        assertEquals(List.of(true), after);
        assertEquals(AcpiTables.EVENT_SLEEP_BUTTON, restored.read(AcpiTables.EVENT_PORT));
    }
}
