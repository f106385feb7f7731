package io.xenemu.it.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/// The report: medians, ours against the peer's Xen devices and virtio, and the CPU time outside vCPUs.
final class DeviceTable {
    private static final String HEAD =
            """
            | cell | floor | ours | peer | virtio | driver | ours/peer | ours/virtio | CPU us: ours | peer | virtio | missed |
            |---|---|---|---|---|---|---|---|---|---|---|---|
            """;

    private static final double FEW = 100;

    private DeviceTable() {}

    /// Formats it as Markdown; a value that was not measured is "-".
    static String of(DeviceSamples samples, List<DeviceCell> cells) {
        return cells.stream()
                .map(cell -> row(samples, cell))
                .collect(Collectors.joining("\n", HEAD, "\n"));
    }

    private static String row(DeviceSamples samples, DeviceCell cell) {
        double ours = samples.rate(DeviceSide.OURS, cell);
        double overPeer = ours / samples.rate(DeviceSide.PEER, cell);
        double overVirtio = ours / samples.rate(DeviceSide.VIRTIO, cell);
        List<String> columns = new ArrayList<>(List.of(cell.toString()));
        for (DeviceSide side : DeviceSide.values()) {
            columns.add(number(samples.rate(side, cell)));
        }
        columns.add(ratio(overPeer));
        columns.add(ratio(overVirtio));
        for (DeviceSide side : List.of(DeviceSide.OURS, DeviceSide.PEER, DeviceSide.VIRTIO)) {
            columns.add(number(samples.cpu(side, cell)));
        }
        columns.add(missed(samples, cell, overPeer, overVirtio));
        return "| " + String.join(" | ", columns) + " |";
    }

    /// The parts of the bar that the cell misses.
    private static String missed(
            DeviceSamples samples, DeviceCell cell, double overPeer, double overVirtio) {
        List<String> missed = new ArrayList<>();
        double cpu = samples.cpu(DeviceSide.OURS, cell);
        if (overPeer < cell.overPeer()) {
            missed.add("peer");
        }
        // Where the peer has no such Xen device, its virtio device stands for it.
        if (overVirtio < (Double.isNaN(overPeer) ? cell.overPeer() : DeviceCell.OVER_VIRTIO)) {
            missed.add("virtio");
        }
        if (cpu > samples.cpu(DeviceSide.PEER, cell)) {
            missed.add("CPU of peer");
        }
        if (cpu > samples.cpu(DeviceSide.VIRTIO, cell)) {
            missed.add("CPU of virtio");
        }
        return String.join(", ", missed);
    }

    private static String ratio(double value) {
        return Double.isNaN(value) ? "-" : String.format(Locale.ROOT, "%.2f", value);
    }

    private static String number(double value) {
        if (Double.isNaN(value)) {
            return "-";
        }
        return String.format(Locale.ROOT, value < FEW ? "%.2f" : "%.0f", value);
    }
}
