package io.xenemu.core.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.xenemu.core.toolstack.Refused;
import org.junit.jupiter.api.Test;

final class ChangeGateTest {
    private final ChangeGate gate = new ChangeGate();

    private String refusalToClose() {
        return assertThrows(Refused.class, gate::close).reason();
    }

    @Test
    void commandsThatAreUnderWayAreNamed() throws Refused {
        gate.enter("save");
        gate.enter("create");
        gate.enter("save");
        assertEquals("commands are under way: create, save", refusalToClose());
        gate.leave("save");
        gate.leave("create");
        assertEquals("commands are under way: save", refusalToClose());
        gate.leave("save");
        gate.close();
    }

    @Test
    void noCommandBeginsUntilItOpensAgain() throws Refused {
        gate.close();
        assertEquals(
                "the service is being upgraded",
                assertThrows(Refused.class, () -> gate.enter("create")).reason());
        assertEquals("the service is being upgraded", refusalToClose());
        gate.open();
        gate.enter("create");
        gate.leave("create");
        gate.close();
    }
}
