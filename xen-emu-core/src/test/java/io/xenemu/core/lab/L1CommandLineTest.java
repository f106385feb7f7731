package io.xenemu.core.lab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;

final class L1CommandLineTest {
    @Test
    void twoThirdsOfAvailableMemoryAreTaken() throws LabException {
        assertEquals(4096, L1CommandLine.memoryMib(available(6144)));
    }

    @Test
    void memoryIsNeverMoreThanTheLabUses() throws LabException {
        assertEquals(6144, L1CommandLine.memoryMib(available(1 << 20)));
    }

    @Test
    void tooLittleMemoryIsRefused() {
        assertThrows(LabException.class, () -> L1CommandLine.memoryMib(available(1000)));
    }

    private static String available(int mib) {
        return "MemTotal:  99999999 kB\nMemAvailable:   " + mib * 1024L + " kB\nCached: 1 kB\n";
    }
}
