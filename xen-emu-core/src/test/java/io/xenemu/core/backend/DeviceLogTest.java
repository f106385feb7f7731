package io.xenemu.core.backend;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.core.toolstack.DeviceKind;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.kvm.abi.DomId;
import java.time.Duration;
import org.junit.jupiter.api.Test;

final class DeviceLogTest {
    private long now = Long.MAX_VALUE - 10;

    private final DeviceLog log =
            new DeviceLog(new PvDevice(DeviceKind.VBD, new DomId(1), DomId.DOM0, 51712), () -> now);

    private int linesOf(int events) {
        int lines = 0;
        for (int i = 0; i < events; i++) {
            lines += log.due() ? 1 : 0;
        }
        return lines;
    }

    @Test
    void aGuestFillsTheLogWithOneLineInAMinute() {
        assertEquals(1, linesOf(1000));
        now += Duration.ofMinutes(1).toNanos() - 1;
        assertEquals(0, linesOf(1000));
        now += 1;
        assertEquals(1, linesOf(1000));
    }
}
