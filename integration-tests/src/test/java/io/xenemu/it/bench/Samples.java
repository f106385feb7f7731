package io.xenemu.it.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.DoubleStream;

/// Times that the `bench` guest printed: TSC ticks of one iteration, one value per `bench NAME ITERATIONS TOTAL_TSC`
/// line.
final class Samples {

    private static final Pattern LINE = Pattern.compile("bench (\\w+) (\\d+) (\\d+)");
    private static final Pattern WARMING = Pattern.compile("warming (\\w+) \\d+");
    private static final Pattern FAILURES = Pattern.compile("bench failures (\\d+)");

    private final SortedMap<String, List<Double>> ticks = new TreeMap<>();
    private final SortedSet<String> unsteady = new TreeSet<>();

    /// Adds what one run printed.
    ///
    /// @throws IllegalArgumentException if the run did not end, or operations failed in it
    void add(String output) {
        boolean ended = false;
        for (String line : output.lines().map(String::strip).toList()) {
            Matcher sample = LINE.matcher(line);
            Matcher warming = WARMING.matcher(line);
            Matcher failures = FAILURES.matcher(line);
            if (sample.matches()) {
                double perIteration =
                        Double.parseDouble(sample.group(3)) / Double.parseDouble(sample.group(2));
                ticks.computeIfAbsent(sample.group(1), name -> new ArrayList<>()).add(perIteration);
            } else if (warming.matches()) {
                unsteady.add(warming.group(1));
            } else if (failures.matches()) {
                if (!failures.group(1).equals("0")) {
                    throw new IllegalArgumentException(line);
                }
                ended = true;
            }
        }
        if (!ended) {
            throw new IllegalArgumentException("the benchmark did not end:\n" + output);
        }
    }

    /// The benchmarks that were measured before their rate was flat, in one run at least.
    SortedSet<String> unsteady() {
        return unsteady;
    }

    /// The median of a benchmark's samples, NaN without any.
    double median(String name) {
        return median(ticks.getOrDefault(name, List.of()).stream().mapToDouble(value -> value));
    }

    /// The median, NaN of nothing.
    static double median(DoubleStream values) {
        double[] sorted = values.sorted().toArray();
        if (sorted.length == 0) {
            return Double.NaN;
        }
        int middle = sorted.length / 2;
        return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }
}
