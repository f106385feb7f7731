package io.xenemu.it.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;

class DeviceTableTest {
    private final DeviceSamples samples = new DeviceSamples();

    private String row(String cell) {
        return DeviceTable.of(samples, DeviceCell.matching(cell))
                .lines()
                .skip(2)
                .findFirst()
                .orElseThrow();
    }

    @Test
    void ratesAreMediansOfRounds() {
        samples.add(DeviceSide.OURS, "end randread4k-1 100 2.0 4096 0.01");
        samples.add(DeviceSide.OURS, "end randread4k-1 900 2.0 4096 0.01");
        samples.add(DeviceSide.OURS, "end randread4k-1 200 2.0 4096 0.01");
        samples.add(DeviceSide.FLOOR, "end randread4k-1 4000 2.0 4096");
        DeviceCell cell = DeviceCell.matching("randread4k-1").getFirst();
        assertEquals(3, samples.rounds(DeviceSide.OURS, cell));
        assertEquals(100, samples.rate(DeviceSide.OURS, cell));
        assertEquals(50, samples.cpu(DeviceSide.OURS, cell), 1e-6);
        assertTrue(Double.isNaN(samples.cpu(DeviceSide.FLOOR, cell)));
        assertTrue(Double.isNaN(samples.rate(DeviceSide.PEER, cell)));
    }

    @Test
    void bytesAreMegabytesAndTcpCountsItsCpuByTheMebibyte() {
        samples.add(DeviceSide.OURS, "end tcp-out 2048 2.0 1024 0.01");
        samples.add(DeviceSide.OURS, "end seqread1m-4 10 2.0 1048576 0.01");
        DeviceCell tcp = DeviceCell.matching("tcp-out").getFirst();
        assertEquals(1.048576, samples.rate(DeviceSide.OURS, tcp), 1e-9);
        assertEquals(5000, samples.cpu(DeviceSide.OURS, tcp), 1e-6);
        DeviceCell read = DeviceCell.matching("seqread").getFirst();
        assertEquals(5.24288, samples.rate(DeviceSide.OURS, read), 1e-9);
        assertEquals(1000, samples.cpu(DeviceSide.OURS, read), 1e-6);
    }

    @Test
    void otherLinesAreNoSamples() {
        for (String line : List.of("", "begin tcp-rr", "end tcp-rr", "[1.0] end tcp-rr 1 2 3")) {
            assertFalse(samples.add(DeviceSide.OURS, line), line);
        }
    }

    @Test
    void rowTellsWhatIsMissed() {
        samples.add(DeviceSide.OURS, "end tcp-rr 119 1.0 0 0.000119");
        samples.add(DeviceSide.PEER, "end tcp-rr 100 1.0 0 0.000200");
        samples.add(DeviceSide.VIRTIO, "end tcp-rr 110 1.0 0 0.000055");
        assertEquals(
                "| tcp-rr, per s | - | 119 | 100 | 110 | - | 1.19 | 1.08 | 1.00 | 2.00 | 0.50 | peer, CPU of virtio |",
                row("tcp-rr"));
    }

    @Test
    void virtioStandsForAXenDeviceThatThePeerHasNot() {
        samples.add(DeviceSide.OURS, "end 9p-stat 115 1.0 0 0.000115");
        samples.add(DeviceSide.VIRTIO, "end 9p-stat 100 1.0 0 0.000200");
        assertEquals(
                "| 9p-stat, per s | - | 115 | - | 100 | - | - | 1.15 | 1.00 | - | 2.00 | virtio |",
                row("9p-stat"));
    }

    @Test
    void cellsAreChosenByKindOrBeginning() {
        assertEquals(4, DeviceCell.matching("net").size());
        assertEquals(
                List.of("randread4k-1", "randread4k-8", "randread4k-32", "9p-stat"),
                DeviceCell.matching("randread,9p-stat").stream().map(DeviceCell::name).toList());
        assertThrows(IllegalArgumentException.class, () -> DeviceCell.matching("x"));
    }
}
