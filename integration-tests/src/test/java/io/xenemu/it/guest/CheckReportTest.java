package io.xenemu.it.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class CheckReportTest {

    @Test
    void linesOfSerialPortAreRead() {
        CheckReport report =
                CheckReport.parse(
                        "# hypercalls, 64 bit\r\nok a.b\r\nFAIL a.c: got -38 want 0 or -1\r\nskip a.d\r\n1 passed, 1 failed\r\n");

        assertEquals(List.of("a.b"), report.passed());
        assertEquals(Map.of("a.c", "got -38 want 0 or -1"), report.failed());
        assertEquals(List.of("a.d"), report.skipped());
        assertTrue(report.complete());
    }

    @Test
    void outputThatStopsEarlyIsIncomplete() {
        assertFalse(CheckReport.parse("ok a.b\nok a.").complete());
    }

    @Test
    void summaryThatMissesALineIsIncomplete() {
        assertFalse(CheckReport.parse("ok a.b\n2 passed, 0 failed\n").complete());
    }

    @Test
    void crashMessageCountsAsFailure() {
        CheckReport report =
                CheckReport.parse("FAIL unexpected vector 0xd: error 0x0 ip 0x1 cr2 0x0\n");

        assertEquals(Map.of("unexpected vector 0xd", "error 0x0 ip 0x1 cr2 0x0"), report.failed());
        assertFalse(report.complete());
    }
}
