package io.xenemu.it.bench;

import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Measurements of [DeviceBenchmark]'s sides, by cell: of each round, what `device-load` and `device-watch` printed.
final class DeviceSamples {
    private static final Pattern END =
            Pattern.compile("^end (\\S+) (\\d+) ([0-9.]+) (\\d+)(?: ([0-9.]+))?\\s*$");

    private static final double BYTES_PER_MB = 1e6;
    private static final double MICROS = 1e6;

    private final Map<DeviceSide, Map<String, List<Sample>>> samples =
            new EnumMap<>(DeviceSide.class);

    /// One measurement.
    ///
    /// @param operations in all
    /// @param seconds that they took
    /// @param bytes of one operation, or 0
    /// @param cpu seconds that the VMM took outside its vCPUs' threads; NaN without a VMM
    private record Sample(double operations, double seconds, double bytes, double cpu) {}

    /// Adds a line of a side's output, if it is the end of a cell.
    ///
    /// @return whether it is
    boolean add(DeviceSide side, String line) {
        Matcher end = END.matcher(line);
        if (!end.matches()) {
            return false;
        }
        String cpu = end.group(5);
        samples.computeIfAbsent(side, _ -> new HashMap<>())
                .computeIfAbsent(end.group(1), _ -> new ArrayList<>())
                .add(
                        new Sample(
                                Double.parseDouble(end.group(2)),
                                Double.parseDouble(end.group(3)),
                                Double.parseDouble(end.group(4)),
                                cpu == null ? Double.NaN : Double.parseDouble(cpu)));
        return true;
    }

    private List<Sample> of(DeviceSide side, DeviceCell cell) {
        return samples.getOrDefault(side, Map.of()).getOrDefault(cell.name(), List.of());
    }

    /// The number of rounds of a cell.
    int rounds(DeviceSide side, DeviceCell cell) {
        return of(side, cell).size();
    }

    /// The median of the cell's rate, in its unit; NaN without a sample.
    double rate(DeviceSide side, DeviceCell cell) {
        return Samples.median(
                of(side, cell).stream()
                        .mapToDouble(sample ->
                                cell.unit() == DeviceCell.Unit.MEGABYTES
                                        ? sample.operations
                                                * sample.bytes
                                                / sample.seconds
                                                / BYTES_PER_MB
                                        : sample.operations / sample.seconds));
    }

    /// The median of the CPU time outside vCPUs for one of the table's operations, in microseconds; NaN without one.
    double cpu(DeviceSide side, DeviceCell cell) {
        return Samples.median(
                of(side, cell).stream()
                        .mapToDouble(sample ->
                                sample.cpu * MICROS * cell.operations() / sample.operations)
                        .filter(value -> !Double.isNaN(value)));
    }
}
