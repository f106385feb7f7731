package io.xenemu.it.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Set;
import org.junit.jupiter.api.Test;

class ResultTableTest {

    private static Samples samples(String... lines) {
        Samples samples = new Samples();
        samples.add(String.join("\r\n", lines) + "\r\nbench failures 0\r\n");
        return samples;
    }

    @Test
    void medianIsPerIteration() {
        Samples samples =
                samples("bench noarg 10 1000", "bench noarg 10 3000", "bench noarg 10 90000");

        assertEquals(300.0, samples.median("noarg"));
        assertTrue(Double.isNaN(samples.median("arg")));
    }

    @Test
    void benchmarkThatWasNotWarmIsNamed() {
        Samples samples =
                samples("warm arg 120000", "warming noarg 1200000", "bench noarg 10 1000");

        assertEquals(Set.of("noarg"), samples.unsteady());
    }

    @Test
    void ratiosAreAgainstTheTargetsReference() {
        String table =
                ResultTable.of(
                        samples("bench noarg 1 100"),
                        samples("bench noarg 1 105", "bench alloc 1 240", "bench send 1 90"),
                        samples("bench noarg 1 129", "bench send 1 80"));

        assertTrue(table.contains("1.05 x floor"), table);
        assertTrue(table.contains("1.20 x 2 floors"), table);
        assertTrue(table.contains("1.13 x peer"), table);
        assertTrue(table.lines().anyMatch(line -> line.endsWith("met")), table);
        assertTrue(table.lines().anyMatch(line -> line.endsWith("MISSED")), table);
        assertTrue(table.lines().anyMatch(line -> line.endsWith("not measured")), table);
    }

    @Test
    void runWithFailedOperationsIsRefused() {
        Samples samples = new Samples();

        assertThrows(
                IllegalArgumentException.class,
                () -> samples.add("bench noarg 1 100\nbench failures 3\n"));
    }

    @Test
    void runThatDidNotEndIsRefused() {
        Samples samples = new Samples();

        assertThrows(IllegalArgumentException.class, () -> samples.add("bench noarg 1 100\n"));
    }
}
